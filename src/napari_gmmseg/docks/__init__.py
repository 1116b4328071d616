"""The docks: one folder each, a presenter in plain Python and a view in Qt."""
