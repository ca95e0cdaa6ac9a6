-- KEYS head, log, snapshot. ARGV generation, number, snapshot, now, a fresh id, microseconds of grace, milliseconds to live.
-- The first who knows more than the server gives it its state; until the grace ends, whoever knows more still replaces it.
local head = read_head()
local number = tonumber(ARGV[2])
if not is_behind(head, ARGV[1], number) then return 0 end
local grace = server + tonumber(ARGV[6])
if head and head.parent == ARGV[1] and head.grace > server then grace = head.grace end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[7])
write_head({
    generation = ARGV[5], last = number, base = number, now = tonumber(ARGV[4]), kept = number, grace = grace, parent = ARGV[1],
})
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1
