-- The kinds of tokens that have a price of their own, and how the answer came about.
ALTER TABLE attempt ADD COLUMN cache_write_1h_tokens INTEGER;
ALTER TABLE attempt ADD COLUMN input_audio_tokens INTEGER;
ALTER TABLE attempt ADD COLUMN output_audio_tokens INTEGER;
ALTER TABLE attempt ADD COLUMN is_cached INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN is_recovered INTEGER NOT NULL DEFAULT 0
