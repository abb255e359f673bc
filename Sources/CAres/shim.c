// CAres: see include/.
