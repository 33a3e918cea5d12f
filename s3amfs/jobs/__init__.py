"""Many objects: listings, plans and runs over trees."""
