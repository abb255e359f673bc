// HTTP filters, each in a folder of its own. None is built yet: docs/known-issues.md.
