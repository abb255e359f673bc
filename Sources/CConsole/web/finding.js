// What a rule says. Pure.

/// `{kind, subject, severity, phrase, advice, since?, version?}`. `since` and `version` only where the process itself knows them;
/// otherwise `problems.js` notes when a finding was first there.
export function finding(kind, subject, severity, phrase, advice) {
  return { kind, subject, severity, phrase, advice };
}
