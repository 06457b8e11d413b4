"""What every endpoint shares: pages, errors, ETags, filters, strict bodies. It knows of no app of the house."""
