-- A sale's life: begun, loaded, armed, looked at, dropped.

local function forget(key, keys)
	local doomed = {'UNLINK'}
	for name in string.gmatch(keys, '%S+') do
		doomed[#doomed + 1] = key .. ':' .. name
	end
	call(unpack(doomed))
end

-- The one step that takes a sale from whoever has it: its new epoch and term fence every older
-- epoch, and every other library. It says which version had it last; where a loading was broken
-- off, that is the one which had it before.
local function begin(keys, args)
	local key = keys[1]
	local known, least, most = unpack_bin('<Ii8i8', args[1])
	local run_id, replid = sub(args[1], -80, -41), sub(args[1], -40)
	local epoch, limit, rate_requests, rate_ms, lots, token = unpack_bin('<IIIIIc32', args[2])
	local m = call('HMGET', key .. ':m', 'epoch', 'version', 'keys', 'state', 'former')
	if not sells() then
		return pack('<BI', FENCED, m[1] or 0)
	end
	if epoch < known or (m[1] and tonumber(m[1]) > epoch) then
		return pack('<BI', STALE, m[1] or 0)
	end
	clock_of(key, least, most)
	local former, its_keys = owner(m[1], m[2], m[3])
	if m[4] == 'loading' and m[5] then
		former = tonumber(m[5])
	end
	forget(key, its_keys)
	term = term or token
	call('HSET', key .. ':m', 'epoch', epoch, 'state', 'loading', 'term', term, 'run_id', run_id, 'replid', replid, 'limit', limit,
		'rate_requests', rate_requests, 'rate_ms', rate_ms, 'lots', lots, 'version', VERSION, 'keys', KEYS_OF_SALE, 'former', former)
	call('SET', key .. ':l', string.rep(pack(LOT, 0, 0, 0, 0, 0, 1, 0), lots))
	return pack('<BII', 0, epoch, former)
end

-- The sale that this caller has begun with `epoch`.
local function enter_loading(keys, args, epoch)
	local sale, refusal = enter(keys, args, 'loading')
	local its_epoch = sale and sale.epoch or tonumber(call('HGET', keys[1] .. ':m', 'epoch') or 0)
	if its_epoch > epoch then
		return nil, pack('<BI', STALE, its_epoch)
	end
	return sale, refusal
end

local function count(sale, lot_number, state, quantity)
	local lot = lot_of(sale, lot_number)
	local which = state == HELD and 'held' or 'confirmed'
	lot[which] = lot[which] + quantity
	lot.changed = true
end

-- An order that is loaded again: what it was counts no more. How many units its buyer had of it.
local function uncount(sale, unheld, id, record)
	local state, _, _, _, _, _, _, lot_number, quantity = unpack_bin(RECORD, record)
	if state ~= HELD and state ~= CONFIRMED then
		return 0
	end
	if state == HELD then
		unheld[#unheld + 1] = id
	end
	count(sale, lot_number, state, -quantity)
	return quantity
end

local function load(keys, args)
	local sale, refusal = enter_loading(keys, args, unpack_bin('<I', args[2]))
	if not sale then
		return refusal
	end
	local key = sale.key
	local ids, q_buyers, lists = {'HMGET', key .. ':o'}, {'HMGET', key .. ':b'}, end_lists(key)
	local names, unheld, payers, over = {}, {'ZREM', key .. ':h'}, {'HSET', key .. ':r'}, false
	for i = 3, #args do
		local id, lot, quantity, _, _, _, _, buyer = unpack_bin('<c16HHHBi8i8Bc0', args[i])
		if lot >= sale.lot_count or quantity == 0 then
			return pack('<BI', OUT_OF_RANGE, sale.epoch)
		end
		ids[i], q_buyers[i] = id, buyer
	end
	local records, known = records_of(ids), call(unpack(q_buyers))
	for i = 3, #args do
		local id, lot_number, quantity, granted, state, hold, first, buyer, idem, paid, labels = unpack_bin('<c16HHHBi8i8Bc0Bc0Bc0Bc0', args[i])
		local before = records[id]
		local live = state == HELD or state == CONFIRMED
		local its = buyer_known(lists, buyer, known[i - 2])
		if its.value == 0 then
			names[#names + 1] = buyer .. '\n'
		end
		local known_paid = before and payments.of(before) or ''
		if known_paid == '' and paid ~= '' then
			payers[#payers + 1] = paid
			payers[#payers + 1] = id
			known_paid = paid
		end
		if before then
			its.value = its.value - uncount(sale, unheld, id, before)
		else
			its.value = its.value + 10000
			newest_add(its, buyer, id .. pack('B', #idem) .. idem, lists.keys)
		end
		if live then
			count(sale, lot_number, state, quantity)
			over = over or its.value % 10000 + quantity > sale.limit
			its.value = its.value + quantity
		end
		labels = before and labels_of(before) or labels
		keep(lists, records, id, pack(RECORD, state, DURABLE + (live and COUNTED or 0), 0, hold, first, 0, granted > quantity and granted or 0, lot_number, quantity,
			#buyer, buyer) .. (#known_paid + #labels > 0 and pack('B', #known_paid) .. known_paid .. labels or ''))
		if state == HELD then
			hold_again(lists, id, hold)
		end
	end
	if not names_append(sale, concat(names)) then
		return pack('<BI', FULL, sale.epoch)
	end
	write(unheld)
	write(payers)
	end_write(sale, lists)
	if over then
		call('HSET', key .. ':m', 'over', 1)
	end
	return finish(sale)
end

-- Withdrawals that the ledger or the journal has; their units come with arm().
local function load_withdrawals(keys, args)
	local sale, refusal = enter_loading(keys, args, unpack_bin('<I', args[2]))
	if not sale then
		return refusal
	end
	local movements = {'HSET', sale.key .. ':v'}
	for i = 3, #args do
		local id, lot_number, units = unpack_bin('<c16HI', args[i])
		if lot_number >= sale.lot_count then
			return pack('<BI', OUT_OF_RANGE, sale.epoch)
		end
		movements[#movements + 1] = id
		movements[#movements + 1] = pack('<BHI', 0, lot_number, units)
	end
	write(movements)
	return finish(sale)
end

local function arm(keys, args)
	local sale, refusal = enter_loading(keys, args, unpack_bin('<I', args[2]))
	if not sale then
		return refusal
	end
	local over = call('HGET', sale.key .. ':m', 'over')
	for i = 3, #args do
		local lot = lot_of(sale, i - 3)
		lot.allocated, lot.withdrawn = unpack_bin('<II', args[i])
		lot.available = lot.allocated - lot.withdrawn - lot.held - lot.confirmed
		lot.changed = true
		over = over or lot.available < 0
	end
	if over then
		return pack('<BI', OUT_OF_RANGE, sale.epoch)
	end
	call('HSET', sale.key .. ':m', 'state', 'armed')
	local head = finish(sale)
	local range, names = names_since(sale, 0)
	return head .. range .. names .. pack('<H', sale.lot_count) .. call('GET', sale.key .. ':l')
end

-- Needs no term: what is forgotten harms nobody. But for a sale that has a newer epoch.
local function drop(keys, args)
	local epoch = unpack_bin('<I', args[2])
	local m = call('HMGET', keys[1] .. ':m', 'epoch', 'version', 'keys')
	if not sells() then
		return pack('<BI', FENCED, 0)
	end
	if not m[1] or tonumber(m[1]) <= epoch then
		local _, its_keys = owner(m[1], m[2], m[3])
		forget(keys[1], its_keys)
		clocks[keys[1]] = nil
		brake_release(keys[1])
		call('ZREM', KEPT, tonumber(string.match(keys[1], '%d+')))
	end
	return pack('<BI', 0, 0)
end

local function refresh(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local key, head = sale.key, finish(sale)
	local counts = pack('<i8III', outbox_oldest(sale), outbox_size(sale), call('HLEN', key .. ':o'), call('HLEN', key .. ':b'))
	local range, names = names_since(sale, sale.names_from)
	return head .. counts .. range .. names .. pack('<H', sale.lot_count) .. call('GET', key .. ':l') .. brake_text(key)
end

-- Which commands of the functions the caller's user may not use: a function that found out in the
-- middle would have written half.
local function check(keys)
	local key, missing = keys[1], {}
	local commands = {{'TIME'}, {'EXISTS', key}, {'GET', key}, {'SET', key, 0}, {'GETRANGE', key, 0, 0}, {'SETRANGE', key, 0, 0}, {'STRLEN', key},
		{'APPEND', key, 0}, {'HGET', key, 0}, {'HMGET', key, 0}, {'HSET', key, 0, 0}, {'HDEL', key, 0}, {'HLEN', key},
		{'ZADD', key, 0, 0}, {'ZREM', key, 0}, {'ZRANGE', key, 0, 0}, {'ZCARD', key}, {'UNLINK', key}, {'PEXPIRE', key, 1}, {'WAIT', 0, 0}}
	for i = 1, #commands do
		if not redis.acl_check_cmd(unpack(commands[i])) then
			missing[#missing + 1] = '+' .. string.lower(commands[i][1])
		end
	end
	if not redis.acl_check_cmd('FUNCTION', 'DELETE', key) then
		missing[#missing + 1] = '+function|delete'
	end
	return concat(missing, ' ')
end

-- What only reads still counts as a write, so that a server which has become a replica says so.
-- What frees memory or ends work goes on where memory is full.
local function register(name, callback, flags, changes_sale)
	local function run(keys, args)
		if not call then
			awake()
		end
		if changes_sale then
			note_change(keys[1])
		end
		return callback(keys, args)
	end
	redis.register_function{function_name = 'penstock_' .. VERSION .. '_' .. name, callback = run, flags = flags}
end
register('reserve', reserve, {}, true)
register('settle', settle, {'allow-oom'}, true)
register('find', find, {'allow-oom'})
register('orders', orders_of, {'allow-oom'})
register('expire', expire, {'allow-oom'}, true)
register('acknowledge', acknowledge, {'allow-oom'}, true)
register('compensate', compensate, {'allow-oom'}, true)
register('claim', claim, {'allow-oom'}, true)
register('allocate', allocate, {'allow-oom'}, true)
register('withdraw', withdraw, {}, true)
register('brake', brake, {'allow-oom'}, true)
register('keep', keep_row, {})
register('recall', recall_row, {'allow-oom'})
register('kept', kept_sales, {'allow-oom'})
register('keep_log', keep_log, {})
register('recall_log', recall_log, {'allow-oom'})
register('begin', begin, {}, true)
register('load', load, {}, true)
register('load_withdrawals', load_withdrawals, {}, true)
register('find_loaded', find_loaded, {'allow-oom'})
register('arm', arm, {'allow-oom'}, true)
register('drop', drop, {'allow-oom'}, true)
register('refresh', refresh, {'allow-oom'})
register('changes', changes_since, {'allow-oom'})
register('attend', attend, {'allow-oom'})
register('take_over', take_over, {'allow-oom'})
register('check', check, {'no-writes'})
