"""When jobs need work next, and the messages for those that are due."""
