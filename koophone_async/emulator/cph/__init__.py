"""CPH: servers, phones, images, storage."""
