-- KEYS head, log, snapshot. ARGV generation, since, body, now, wall ('' for the server's), a fresh id, milliseconds to live, and
-- the SHA-1 of the entry that the caller has under the number `since` ('' where it has none at hand).
-- Gives 'lost', or 'wait' and microseconds, or 'ok', generation, the number that the entries come after, entries, snapshot or ''.
local generation, since = ARGV[1], tonumber(ARGV[2])
local head = read_head()
if is_behind(head, generation, since) then return {'lost'} end
if not head then
    redis.call('DEL', KEYS[2], KEYS[3])
    head = {generation = ARGV[6], last = 0, base = 0, now = 0, kept = 0, grace = 0, parent = ''}
end
if head.grace > server then return {'wait', text(head.grace - server)} end

local now = ARGV[4] == '' and server or tonumber(ARGV[4])
local wall = ARGV[5] == '' and server or tonumber(ARGV[5])
head.now = math.max(now, head.now)
-- A server that was killed before it had written its last entries has others under their numbers now: who knows the lost ones
-- begins anew from what stands.
local is_same = ARGV[8] == '' or since <= head.base
    or redis.sha1hex(redis.call('LINDEX', KEYS[2], since - head.base - 1) or '') == ARGV[8]
redis.call('RPUSH', KEYS[2], text(head.now) .. ':' .. text(wall) .. ':' .. ARGV[3])
local is_known = head.generation == generation and since >= head.base and is_same
local after = is_known and since or head.kept
local snapshot = (not is_known and head.kept > 0) and redis.call('GET', KEYS[3]) or ''
head.last = head.last + 1
write_head(head)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[7]) end
return {'ok', head.generation, text(after), redis.call('LRANGE', KEYS[2], text(after - head.base), -1), snapshot}
