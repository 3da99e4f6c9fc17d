"""What moved an answer: clinical values, the page, and the neighbours."""
