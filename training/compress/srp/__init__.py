"""Structure-regularised pruning (SRP, ICLR 2022)."""
