-- One row for every attempt: written before its bytes leave, settled after its end.
CREATE TABLE attempt (
    attempt_id TEXT PRIMARY KEY,
    call_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'posted', 'voided', 'unknown')),
    owner TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    settled_ns INTEGER,
    tenant TEXT,
    task TEXT,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    correlation_id TEXT,
    outcome TEXT,
    error TEXT,
    finish_reason TEXT,
    answered_by TEXT,
    request_id TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost_nano_usd INTEGER,
    is_estimate INTEGER NOT NULL DEFAULT 1,
    price_id TEXT NOT NULL DEFAULT '',
    latency REAL,
    time_to_first_token REAL,
    is_degraded INTEGER NOT NULL DEFAULT 0,
    is_replayed INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_started ON attempt (started_ns);
CREATE INDEX attempt_open ON attempt (owner) WHERE state = 'reserved';
