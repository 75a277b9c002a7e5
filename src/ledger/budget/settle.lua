-- Puts the cost of one request in the place of what was set aside for it. Said again it changes nothing; a higher cost
-- said later counts, since a process that starts again books in full what it cannot know. Micro-dollars.
-- KEYS: the request; then each budget.
-- ARGV: the cost, how long the request is known as settled in seconds; then for each budget what it begins with where
-- nobody knows it, and its lifetime in seconds.
-- Answers what is used of each budget.
local held = redis.call('GET', KEYS[1]) or '0'
local cost = tonumber(ARGV[1])
local before = tonumber(held)
if not before then
  before = tonumber(string.match(held, '^settled (%d+)$') or '0')
  cost = math.max(cost, before)
end
redis.call('SET', KEYS[1], string.format('settled %.0f', cost), 'EX', ARGV[2])
local used = {}
for budget = 1, #KEYS - 1 do
  local at = 2 * budget + 1
  used[budget] = tonumber(redis.call('GET', KEYS[budget + 1]) or ARGV[at])
  if cost ~= before then
    used[budget] = math.max(used[budget] + cost - before, 0)
    redis.call('SET', KEYS[budget + 1], string.format('%.0f', used[budget]), 'EX', ARGV[at + 1])
  end
end
return used
