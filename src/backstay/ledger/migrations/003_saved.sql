-- What an answer from a cache had cost when it was made, and so was saved.
ALTER TABLE attempt ADD COLUMN saved_nano_usd INTEGER
