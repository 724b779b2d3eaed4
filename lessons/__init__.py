"""What belongs to one lesson alone: its figures and explorers (`draw`), the judges of its exercises (`exercises`)."""
