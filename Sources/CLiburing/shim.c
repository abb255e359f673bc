// CLiburing: see include/.
