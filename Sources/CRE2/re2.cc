// CRE2: see include/.
