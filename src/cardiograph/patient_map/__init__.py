"""The patient graph as a 2-D map that can be explored: layout, content, and the assets of the page that shows it."""
