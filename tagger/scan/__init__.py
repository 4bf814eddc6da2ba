"""From folders of pictures to rows of the inventory."""
