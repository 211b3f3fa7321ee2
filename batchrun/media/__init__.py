"""What the bytes of an image or a PDF are, whatever their name says: to be checked, and to be estimated."""
