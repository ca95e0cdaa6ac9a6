-- What the scripts of the cache share. KEYS: data, use, end, size, meta. A field is a tenant and a key; `use` orders the fields by
-- their last use, `end` by the microsecond at which they die, `size` holds their bytes; `meta` holds the sum and a counter of uses.
local data, use, ending, size, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local function forget(field)
    local bytes = redis.call('HGET', size, field)
    if not bytes then return 0 end
    redis.call('HDEL', data, field)
    redis.call('HDEL', size, field)
    redis.call('ZREM', use, field)
    redis.call('ZREM', ending, field)
    redis.call('HINCRBY', meta, 'bytes', -tonumber(bytes))
    return 1
end

local function touch(field)
    redis.call('ZADD', use, redis.call('HINCRBY', meta, 'uses', 1), field)
end

-- Throw out at most `most` fields that died until `now`; how many.
local function sweep(now, most)
    local dead = redis.call('ZRANGEBYSCORE', ending, '-inf', now, 'LIMIT', 0, most)
    for _, field in ipairs(dead) do forget(field) end
    return #dead
end
