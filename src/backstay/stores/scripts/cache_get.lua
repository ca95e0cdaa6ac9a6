-- ARGV field, now. Gives the entry, which becomes the most recently used, and how many were thrown out because they were dead.
local ends = redis.call('ZSCORE', ending, ARGV[1])
if ends and tonumber(ends) <= tonumber(ARGV[2]) then return {false, forget(ARGV[1])} end
local found = redis.call('HGET', data, ARGV[1])
if found then touch(ARGV[1]) end
return {found, 0}
