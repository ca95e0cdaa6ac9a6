-- Conversations, each whole in `body`; a save takes the place of the version that it was made from, and of no other.
CREATE TABLE conversation (
    id text PRIMARY KEY,
    tenant text,
    version bigint NOT NULL,
    updated_ns bigint NOT NULL,
    expires_ns bigint,
    body bytea NOT NULL
);
CREATE INDEX conversation_by_change ON conversation (tenant, updated_ns DESC);
CREATE INDEX conversation_by_end ON conversation (expires_ns) WHERE expires_ns IS NOT NULL;
