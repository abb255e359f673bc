// CYAML: see include/.
