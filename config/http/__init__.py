"""What both HTTP servers, the API and the receiver, have in common: bounds, headers and logs."""
