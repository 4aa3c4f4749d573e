"""What jobs cost: the ledger, and the budgets that bound it."""
