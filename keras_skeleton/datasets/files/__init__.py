"""Reading the files of others safely: nothing in them is executed."""
