-- The log of limits: every operation in one order with one clock, and the state that it led to now and then.
CREATE TABLE limit_head (
    generation text NOT NULL,
    last bigint NOT NULL,
    base bigint NOT NULL,
    now_us bigint NOT NULL,
    kept bigint NOT NULL,
    snapshot bytea
);
INSERT INTO limit_head VALUES (gen_random_uuid()::text, 0, 0, 0, 0, NULL);

CREATE TABLE limit_entry (
    number bigint PRIMARY KEY,
    now_us bigint NOT NULL,
    wall_us bigint NOT NULL,
    body bytea NOT NULL
);

-- Append `p_body`; the entries after number `p_since` of `p_generation`, in order, behind a first row that holds the head: the
-- number that they come after, and the snapshot where the caller must begin from it. The head's row lock makes the order.
CREATE FUNCTION limit_append_1(p_generation text, p_since bigint, p_body bytea, p_now_us bigint, p_wall_us bigint)
RETURNS TABLE (generation text, number bigint, now_us bigint, wall_us bigint, body bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    head limit_head%ROWTYPE;
    server_us bigint;
    after bigint;
    is_known boolean;
BEGIN
    SELECT * INTO STRICT head FROM limit_head FOR UPDATE;
    server_us := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    head.now_us := greatest(coalesce(p_now_us, server_us), head.now_us);
    head.last := head.last + 1;
    UPDATE limit_head SET last = head.last, now_us = head.now_us;
    INSERT INTO limit_entry VALUES (head.last, head.now_us, coalesce(p_wall_us, server_us), p_body);
    is_known := head.generation = p_generation AND p_since BETWEEN head.base AND head.last - 1;
    after := CASE WHEN is_known THEN p_since ELSE head.kept END;
    RETURN QUERY SELECT head.generation, after, 0::bigint, 0::bigint, CASE WHEN is_known THEN NULL ELSE head.snapshot END;
    RETURN QUERY SELECT NULL::text, entry.number, entry.now_us, entry.wall_us, entry.body
        FROM limit_entry AS entry WHERE entry.number > after ORDER BY entry.number;
END
$$;
