// Conversations as files (*.sipt): who sends what, who must receive what, when.
//
//   # A phone asks for rport.
//   party alice udp 10.0.0.7:5062
//
//   alice -> OPTIONS sip:bob@sim              a request; headers not given are made up (party.h)
//     Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK1;rport
//   core <- OPTIONS                           what an actor of the test saw (conversation.h)
//   core -> 200
//   alice <- 200 OPTIONS                      status and CSeq method; the lines below must hold
//     Via ~ rport=5062                          contains
//     To: <sip:bob@sim>;tag={tag}               equals; {tag} takes what stands there, $tag is it later
//     !Record-Route                             has no such header
//   silence 10s                               the clock advances, and nobody receives anything
//
// A line that begins with white space belongs to the step above it.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace causeway::sip::testing {

struct Step {
  int line = 0;
  std::vector<std::string> words;
  std::vector<std::string> details;  // the indented lines, trimmed

  const std::string& word(std::size_t i) const {
    static const std::string none;
    return i < words.size() ? words[i] : none;
  }
  // The words from `i` on, with one space between them.
  std::string rest(std::size_t i) const {
    std::string text;
    for (; i < words.size(); ++i) text += (text.empty() ? "" : " ") + words[i];
    return text;
  }
};

inline std::string trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\r");
  if (from == text.npos) return {};
  return std::string(text.substr(from, text.find_last_not_of(" \t\r") - from + 1));
}

inline base::Result<std::vector<Step>> parse_script(std::istream& in, const std::string& name) {
  std::vector<Step> steps;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const std::string text = trimmed(line);
    if (text.empty() || text[0] == '#') continue;
    if (line[0] == ' ' || line[0] == '\t') {
      if (steps.empty()) return base::fail("{}:{}: an indented line needs a step above it", name, number);
      steps.back().details.push_back(text);
      continue;
    }
    Step step;
    step.line = number;
    std::istringstream words(text);
    for (std::string word; words >> word;) step.words.push_back(word);
    steps.push_back(std::move(step));
  }
  return steps;
}

// "500ms", "32s", "3m"; -1 if it is none.
inline long parse_milliseconds(std::string_view text) {
  std::size_t digits = 0;
  long value = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9')
    value = value * 10 + (text[digits++] - '0');
  const std::string_view unit = text.substr(digits);
  if (digits == 0) return -1;
  if (unit == "ms" || (unit.empty() && value == 0)) return value;
  if (unit == "s") return value * 1000;
  if (unit == "m") return value * 60'000;
  return -1;
}

}  // namespace causeway::sip::testing
