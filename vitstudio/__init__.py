"""The app as a program: ``vitstudio`` opens it in the browser."""
