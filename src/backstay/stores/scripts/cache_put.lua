-- ARGV field, entry, bytes, end, now, most entries, most bytes, milliseconds to live. Gives how many were evicted, and how many were
-- dead. The new entry is the most recently used, so it is never the one that goes.
forget(ARGV[1])
local bytes, most, limit = tonumber(ARGV[3]), tonumber(ARGV[6]), tonumber(ARGV[7])
if bytes > limit or most < 1 then return {0, 0} end
local dead, evicted = sweep(ARGV[5], 100), 0
redis.call('HSET', data, ARGV[1], ARGV[2])
redis.call('HSET', size, ARGV[1], bytes)
redis.call('ZADD', ending, ARGV[4], ARGV[1])
touch(ARGV[1])
local sum = redis.call('HINCRBY', meta, 'bytes', bytes)
while sum > limit or redis.call('ZCARD', use) > most do
    local oldest = redis.call('ZRANGE', use, 0, 0)[1]
    evicted = evicted + forget(oldest)
    sum = tonumber(redis.call('HGET', meta, 'bytes'))
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[8]) end
return {evicted, dead}
