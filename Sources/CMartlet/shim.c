// CMartlet: see include/.
