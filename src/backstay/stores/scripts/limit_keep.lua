-- KEYS head, log, snapshot. ARGV generation, number, snapshot, entries that stay, milliseconds to live. Gives 1 when it was kept.
local head = read_head()
local number = tonumber(ARGV[2])
if not head or head.generation ~= ARGV[1] or number <= head.kept or number > head.last then return 0 end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[5])
head.kept = number
local base = math.max(head.base, number - tonumber(ARGV[4]))
redis.call('LTRIM', KEYS[2], text(base - head.base), -1)
head.base = base
write_head(head)
return 1
