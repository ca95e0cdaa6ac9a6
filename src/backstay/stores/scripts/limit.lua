-- What the scripts of limits share. Numbers are written as integers: a double holds microseconds exactly until the year 2255.
local function text(number) return string.format('%.0f', number) end

local clock = redis.call('TIME')
local server = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

-- The head, or nil where there is none, or something that it speaks of is gone.
local function read_head()
    local found = redis.call('HMGET', KEYS[1], 'generation', 'last', 'base', 'now', 'kept', 'grace', 'parent')
    if not found[1] then return nil end
    if redis.call('LLEN', KEYS[2]) ~= found[2] - found[3] then return nil end
    if tonumber(found[5]) > 0 and redis.call('EXISTS', KEYS[3]) == 0 then return nil end
    return {
        generation = found[1], last = tonumber(found[2]), base = tonumber(found[3]), now = tonumber(found[4]),
        kept = tonumber(found[5]), grace = tonumber(found[6]), parent = found[7],
    }
end

local function write_head(head)
    redis.call('HSET', KEYS[1], 'generation', head.generation, 'last', text(head.last), 'base', text(head.base),
        'now', text(head.now), 'kept', text(head.kept), 'grace', text(head.grace), 'parent', head.parent)
end

-- True when the caller knows more than the server: the server lost its memory, wholly or back to an older state.
local function is_behind(head, generation, number)
    if generation == '' then return false end
    if not head then return true end
    if head.generation == generation then return number > head.last end
    if head.parent == generation and head.grace <= server then return false end
    return number > head.last
end
