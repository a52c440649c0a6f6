"""Tones are found where they are, and only there."""
import array
import random
import wave

import pytest

from lab import tone


def write(path, samples, rate=tone.RATE, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(array.array("h", samples).tobytes())


@pytest.mark.parametrize("frequency", [440, 880])
def test_a_tone_is_found_at_its_frequency_only(tmp_path, frequency):
    file = tmp_path / "tone.wav"
    tone.generate(file, frequency, seconds=2)
    share, blocks = tone.share(file, frequency)
    assert share > 0.99 and blocks == 20
    assert tone.share(file, 1320 - frequency)[0] < 0.01


def test_silence_and_faint_noise_count_as_nothing(tmp_path):
    file = tmp_path / "silence.wav"
    write(file, [random.Random(1).randint(-50, 50) for _ in range(tone.RATE)])
    assert tone.share(file, 440) == (0.0, 0)


def test_loud_noise_is_no_tone(tmp_path):
    file = tmp_path / "noise.wav"
    write(file, [random.Random(1).randint(-20000, 20000) for _ in range(tone.RATE)])
    share, blocks = tone.share(file, 440)
    assert share < 0.1 and blocks == 10


def test_half_of_two_tones_is_found_in_their_sum(tmp_path):
    one, two, both = tmp_path / "1.wav", tmp_path / "2.wav", tmp_path / "both.wav"
    tone.generate(one, 440, 1)
    tone.generate(two, 880, 1)
    write(both, [a + b for a, b in zip(tone.read(one)[0], tone.read(two)[0])])
    assert tone.share(both, 440)[0] == pytest.approx(0.5, abs=0.02)
    assert tone.share(both, 880)[0] == pytest.approx(0.5, abs=0.02)


def test_a_recording_that_is_still_being_written_is_read(tmp_path):
    whole, cut = tmp_path / "whole.wav", tmp_path / "cut.wav"
    tone.generate(whole, 440, 1)
    data = whole.read_bytes()
    header = bytearray(data[:44])
    header[4:8] = header[40:44] = bytes(4)  # lengths not filled in yet
    cut.write_bytes(bytes(header) + data[44:44 + 8001])  # and an odd end
    share, blocks = tone.share(cut, 440)
    assert share > 0.99 and blocks == 5


def test_of_two_channels_the_first_is_read(tmp_path):
    one, file = tmp_path / "1.wav", tmp_path / "stereo.wav"
    tone.generate(one, 440, 1)
    write(file, [value for sample in tone.read(one)[0] for value in (sample, 0)], channels=2)
    assert tone.share(file, 440)[0] > 0.99
