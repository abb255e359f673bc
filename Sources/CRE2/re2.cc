#include "cre2.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <new>
#include <string>
#include <vector>

// RE2's options as Envoy uses them: quiet, bytes and no characters (in UTF-8 a byte that is none would be matched by nothing,
// and take a request past a rule), leftmost-first.
static RE2::Options options(int64_t max_mem) {
  RE2::Options o(RE2::Quiet);
  o.set_encoding(RE2::Options::EncodingLatin1);
  if (max_mem > 0) o.set_max_mem(max_mem);
  return o;
}

static re2::StringPiece piece(const uint8_t *bytes, size_t count) {
  return re2::StringPiece(reinterpret_cast<const char *>(bytes), count);
}

struct cre2_regex {
  RE2 re;
  cre2_regex(re2::StringPiece pattern, const RE2::Options &o) : re(pattern, o) {}
};

struct cre2_set {
  RE2::Set set;
  explicit cre2_set(const RE2::Options &o) : set(o, RE2::ANCHOR_BOTH) {}
};

extern "C" {

cre2_regex *cre2_new(const uint8_t *pattern, size_t count, int64_t max_mem) {
  return new (std::nothrow) cre2_regex(piece(pattern, count), options(max_mem));
}

cre2_regex *cre2_new_of_characters(const uint8_t *pattern, size_t count, int64_t max_mem) {
  RE2::Options o = options(max_mem);
  o.set_encoding(RE2::Options::EncodingUTF8);
  return new (std::nothrow) cre2_regex(piece(pattern, count), o);
}

void cre2_delete(cre2_regex *regex) { delete regex; }

const char *cre2_error(const cre2_regex *regex) { return regex->re.ok() ? nullptr : regex->re.error().c_str(); }

int cre2_capture_count(const cre2_regex *regex) { return regex->re.NumberOfCapturingGroups(); }

int cre2_program_size(const cre2_regex *regex) { return regex->re.ProgramSize(); }

bool cre2_full_match(const cre2_regex *regex, const uint8_t *text, size_t count) {
  return regex->re.Match(piece(text, count), 0, count, RE2::ANCHOR_BOTH, nullptr, 0);
}

bool cre2_partial_match(const cre2_regex *regex, const uint8_t *text, size_t count) {
  return regex->re.Match(piece(text, count), 0, count, RE2::UNANCHORED, nullptr, 0);
}

const uint8_t *cre2_global_replace(const cre2_regex *regex, const uint8_t *text, size_t count, const uint8_t *rewrite,
                                   size_t rewrite_count, size_t *result_count) {
  static thread_local std::string result;
  result.assign(reinterpret_cast<const char *>(text), count);
  RE2::GlobalReplace(&result, regex->re, piece(rewrite, rewrite_count));
  *result_count = result.size();
  return reinterpret_cast<const uint8_t *>(result.data());
}

const char *cre2_check_rewrite(const cre2_regex *regex, const uint8_t *rewrite, size_t count) {
  static thread_local std::string error;
  return regex->re.CheckRewriteString(piece(rewrite, count), &error) ? nullptr : error.c_str();
}

cre2_set *cre2_set_new(int64_t max_mem) { return new (std::nothrow) cre2_set(options(max_mem)); }

void cre2_set_delete(cre2_set *set) { delete set; }

int cre2_set_add(cre2_set *set, const uint8_t *pattern, size_t count) {
  return set->set.Add(piece(pattern, count), nullptr);
}

bool cre2_set_compile(cre2_set *set) { return set->set.Compile(); }

int cre2_set_match(const cre2_set *set, const uint8_t *text, size_t count, const int **numbers) {
  static thread_local std::vector<int> matched;
  RE2::Set::ErrorInfo error;
  if (!set->set.Match(piece(text, count), &matched, &error))
    return error.kind == RE2::Set::kNoError ? 0 : -1;
  // RE2 promises no order.
  std::sort(matched.begin(), matched.end());
  *numbers = matched.data();
  return static_cast<int>(matched.size());
}

}  // extern "C"
