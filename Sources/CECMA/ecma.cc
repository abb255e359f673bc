#include "ecma.h"

#include <new>
#include <regex>
#include <string>

struct ecma_regex {
  std::regex expression;
  ecma_regex(const char *first, const char *last)
      : expression(first, last, std::regex::ECMAScript | std::regex::optimize) {}
};

extern "C" {

ecma_regex *ecma_new(const uint8_t *pattern, size_t count, const char **reason) {
  static thread_local std::string words;
  auto text = reinterpret_cast<const char *>(pattern);
  try {
    return new ecma_regex(text, text + count);
  } catch (const std::exception &error) {
    words = error.what();
  } catch (...) {
    words = "unknown";
  }
  *reason = words.c_str();
  return nullptr;
}

void ecma_delete(ecma_regex *regex) { delete regex; }

bool ecma_find(const ecma_regex *regex, const uint8_t *text, size_t count, ecma_match *match) {
  // Kept between calls: a search allocates for its groups.
  static thread_local std::cmatch found;
  auto first = reinterpret_cast<const char *>(text);
  auto last = first + count;
  try {
    if (!std::regex_search(first, last, found, regex->expression)) return false;
  } catch (...) {
    return false;
  }
  match->groups = found.size() - 1;
  for (size_t i = 0; i < 2; i++) {
    bool is_there = i < match->groups && found[i + 1].matched;
    match->begin[i] = is_there ? static_cast<size_t>(found[i + 1].first - first) : count;
    match->end[i] = is_there ? static_cast<size_t>(found[i + 1].second - first) : count;
  }
  return true;
}

}  // extern "C"
