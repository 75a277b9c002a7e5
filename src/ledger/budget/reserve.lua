-- Sets an amount aside for one request in all of its budgets, or in none. Micro-dollars.
-- KEYS: the request; then each budget.
-- ARGV: the amount, the request's lifetime in seconds; then for each budget its limit, what it begins with where
-- nobody knows it, and its lifetime in seconds.
-- Answers the verdict (0 held, n the n-th budget does not hold so much, -1 settled before), then what is used of each.
local held = tonumber(redis.call('GET', KEYS[1]) or '0')
local verdict, amount = 0, tonumber(ARGV[1])
if not held then
  verdict, held = -1, 0
end
local change = amount - held
local used = {}
for budget = 1, #KEYS - 1 do
  local at = 3 * budget
  used[budget] = tonumber(redis.call('GET', KEYS[budget + 1]) or ARGV[at + 1])
  if verdict == 0 and used[budget] + change > tonumber(ARGV[at]) then
    verdict = budget
  end
end
if verdict == 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', amount), 'EX', ARGV[2])
  for budget = 1, #used do
    used[budget] = math.max(used[budget] + change, 0)
    redis.call('SET', KEYS[budget + 1], string.format('%.0f', used[budget]), 'EX', ARGV[3 * budget + 2])
  end
end
table.insert(used, 1, verdict)
return used
