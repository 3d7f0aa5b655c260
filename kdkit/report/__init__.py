"""The report of a run: what it says (verdict, summary, ranking), what it draws (charts), and the page around it."""
