"""Tones: made as WAV files for phones to play, found again in what other phones recorded."""
import array
import math
import wave
from pathlib import Path

RATE = 8000  # Hz, what PCMU carries
BLOCKS = 10  # a second: each is looked at by itself
SILENCE = 100  # root mean square below which a block is not sound


def generate(path: Path, frequency: float, seconds: int = 120, amplitude: int = 12000) -> None:
    """Writes a sine, mono, 16 bit. The frequency is a whole number of Hz, so that seconds join smoothly."""
    step = 2 * math.pi * frequency / RATE
    second = array.array("h", (int(amplitude * math.sin(step * i)) for i in range(RATE)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(second.tobytes() * seconds)


def read(path: Path):
    """(samples of the first channel, rate). Also reads a file whose header is not finished yet."""
    try:
        with wave.open(str(path)) as file:
            samples = array.array("h", file.readframes(file.getnframes()))
            if samples:
                return samples[::file.getnchannels()], file.getframerate()
    except (wave.Error, EOFError):
        pass
    data = path.read_bytes()
    body = data[44:]
    return array.array("h", body[:len(body) // 2 * 2]), int.from_bytes(data[24:28], "little") or RATE


def goertzel(block, frequency: float, rate: int) -> float:
    """Share (0..1) of the block's energy that is at the frequency."""
    energy = sum(value * value for value in block)
    if not energy:
        return 0.0
    factor = 2 * math.cos(2 * math.pi * frequency / rate)
    last = before = 0.0
    for value in block:
        last, before = value + factor * last - before, last
    power = last * last + before * before - factor * last * before
    return power * 2 / len(block) / energy


def _blocks(samples, rate: int):
    size = rate // BLOCKS
    return (samples[start:start + size] for start in range(0, len(samples) - size + 1, size))


def sound_seconds(path: Path) -> float:
    """For how long there is sound in it."""
    return sum(max(block) >= SILENCE for block in _blocks(*read(path))) / BLOCKS


def share(path: Path, frequency: float):
    """(mean share of the frequency over the blocks with sound, number of those blocks)."""
    samples, rate = read(path)
    shares = []
    for block in _blocks(samples, rate):
        if sum(value * value for value in block) >= len(block) * SILENCE ** 2:
            shares.append(goertzel(block, frequency, rate))
    return (sum(shares) / len(shares) if shares else 0.0), len(shares)
