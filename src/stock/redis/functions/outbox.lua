-- The outbox: what has come to its end, and what nobody has brought to one.

local function end_lists(key)
	return {orders = {'HSET', key .. ':o'}, holds = {'ZADD', key .. ':h'}, done = {'ZREM', key .. ':x'}, pending = {'HDEL', key .. ':p'},
		gone = {'HDEL', key .. ':o'}, keys = {'HSET', key .. ':k'}, unkeyed = {'HDEL', key .. ':k'}, buyers = {}}
end

local function end_write(sale, lists)
	local key = sale.key
	local buyers, unknown = {'HSET', key .. ':b'}, {'HDEL', key .. ':b'}
	write(lists.orders)
	write(lists.holds)
	write(lists.done)
	write(lists.pending)
	write(lists.gone)
	write(lists.keys)
	write(lists.unkeyed)
	for name, buyer in pairs(lists.buyers) do
		if buyer.value < 10000 then
			unknown[#unknown + 1] = name
		else
			buyers[#buyers + 1] = name
			buyers[#buyers + 1] = buyer_text(buyer)
		end
	end
	write(buyers)
	write(unknown)
end

-- The buyer as it is now, to be changed. `text`: its field as it was.
local function buyer_known(lists, name, text)
	local buyer = lists.buyers[name]
	if not buyer then
		buyer = text and buyer_read(text) or buyer_new()
		lists.buyers[name] = buyer
	end
	return buyer
end

local function buyer_of(sale, lists, name)
	return lists.buyers[name] or buyer_known(lists, name, call('HGET', sale.key .. ':b', name))
end

local function keep(lists, records, id, record)
	local list = lists.orders
	records[id] = record
	list[#list + 1] = id
	list[#list + 1] = record
end

local function hold_again(lists, id, hold)
	local list = lists.holds
	list[#list + 1] = hold
	list[#list + 1] = id
end

local function done(lists, id)
	lists.done[#lists.done + 1] = id
end

-- The journal has the grant: what only its event needed goes.
local function grant_durable(lists, records, id, record)
	local state, flags, units, hold, first, lot, quantity, buyer, rest = unpack_bin(RECORD, record)
	flags = flags % CLAIMED + DURABLE
	keep(lists, records, id, pack(RECORD_HEAD, state, flags, units, hold, first) .. sub(record, HEAD_SIZE + 1, rest - 1))
	if state == HELD then
		hold_again(lists, id, hold)
	end
	done(lists, id)
end

-- The journal has the settlement: it becomes true.
local function settlement_durable(sale, lists, records, id, record, kind, next_hold, returned)
	local state, flags, units, hold, first, lot_number, quantity, buyer = unpack_bin(RECORD, record)
	local lot = lot_of(sale, lot_number)
	flags = flags % CLAIMED - SETTLING
	if kind == EV_CONFIRMED then
		lot.held = lot.held - quantity
		lot.confirmed = lot.confirmed + quantity
		lot.changed = true
		state = CONFIRMED
	elseif kind == EV_EXTENDED then
		hold = next_hold
		hold_again(lists, id, hold)
	else
		if returned == 0 then
			return_units(lot, quantity, state == CONFIRMED)
		end
		if has(flags, COUNTED) then
			buyer = buyer_of(sale, lists, buyer)
			buyer.value = buyer.value - quantity
			flags = flags - COUNTED
		end
		state = kind == EV_EXPIRED and EXPIRED or CANCELLED
	end
	keep(lists, records, id, pack(RECORD_HEAD, state, flags, units, hold, first) .. sub(record, HEAD_SIZE + 1))
	lists.pending[#lists.pending + 1] = id
	done(lists, id)
end

-- The grant's place in its buyer's rate is free again.
local function time_return(buyer, stamp)
	local times = buyer.times
	for at = 1, #times, 8 do
		if sub(times, at, at + 7) == stamp then
			buyer.times = sub(times, 1, at - 1) .. sub(times, at + 8)
			return
		end
	end
end

-- The grant never happened.
local function grant_undone(sale, lists, records, id, record)
	local state, flags, _, _, _, lot, quantity, name, _, key = unpack_bin('<BBHi8i8HHBc0i8Bc0', record)
	local buyer = buyer_of(sale, lists, name)
	time_return(buyer, sub(record, -8))
	return_units(lot_of(sale, lot), quantity, state == CONFIRMED)
	buyer.value = buyer.value - 10000 - (has(flags, COUNTED) and quantity or 0)
	if not newest_remove(buyer, id) and key ~= '' then
		lists.unkeyed[#lists.unkeyed + 1] = name .. ' ' .. key
	end
	records[id] = nil
	lists.gone[#lists.gone + 1] = id
	done(lists, id)
end

local function settlement_undone(lists, records, id, record)
	local state, flags, units, hold, first = unpack_bin(RECORD_HEAD, record)
	keep(lists, records, id, pack(RECORD_HEAD, state, flags % CLAIMED - SETTLING, units, hold, first) .. sub(record, HEAD_SIZE + 1))
	if state == HELD then
		hold_again(lists, id, hold)
	end
	lists.pending[#lists.pending + 1] = id
	done(lists, id)
end

-- What is said of each event that has come to its end is an ACK_. ACK_STAYS: there is something of it that cannot be undone.

local function movement_end(sale, lists, id, durable)
	local record = call('HGET', sale.key .. ':v', id)
	if not record then
		return ACK_UNKNOWN
	end
	local flags, lot_number, quantity = unpack_bin('<BHI', record)
	if flags == 0 then
		return ACK_ALREADY
	end
	if not durable and has(flags, CLAIMED) and not has(sale.broken, UNDO_CLAIMED) then
		return ACK_STAYS
	end
	if durable then
		call('HSET', sale.key .. ':v', id, pack('<BHI', 0, lot_number, quantity))
	else
		local lot = lot_of(sale, lot_number)
		lot.withdrawn = lot.withdrawn - quantity
		lot.available = lot.available + quantity
		lot.version = lot.version + 1
		lot.changed = true
		call('HDEL', sale.key .. ':v', id)
	end
	done(lists, 'm' .. id)
	return ACK_DONE
end

-- A settlement that is not on its way: whether it has become true before.
local function has_become(kind, state, hold, its_hold)
	if kind == EV_EXTENDED then
		return hold <= its_hold
	end
	if kind == EV_CONFIRMED then
		return state == CONFIRMED
	end
	return state == (kind == EV_EXPIRED and EXPIRED or CANCELLED)
end

-- An order's grant or settlement.
local function order_end(sale, lists, records, pending, id, kind, hold, durable)
	local record = records[id]
	if not record then
		return ACK_UNKNOWN
	end
	local state, flags, _, its_hold = unpack_bin(RECORD_HEAD, record)
	if not durable and has(flags, CLAIMED) and not has(sale.broken, UNDO_CLAIMED) then
		return ACK_STAYS
	end
	if kind == RESERVED then
		if has(flags, DURABLE) then
			return ACK_ALREADY
		end
		if durable then
			grant_durable(lists, records, id, record)
		else
			grant_undone(sale, lists, records, id, record)
		end
		return ACK_DONE
	end
	local its_kind, next_hold, returned, _
	if has(flags, SETTLING) and pending then
		its_kind, _, next_hold, returned = unpack_bin('<Bi8i8B', pending)
	end
	if its_kind ~= kind or (kind == EV_EXTENDED and next_hold ~= hold) then
		if not durable then
			return ACK_STAYS
		end
		return has_become(kind, state, hold, its_hold) and ACK_ALREADY or ACK_UNKNOWN
	end
	if durable then
		settlement_durable(sale, lists, records, id, record, kind, next_hold, returned)
	else
		settlement_undone(lists, records, id, record)
	end
	return ACK_DONE
end

-- What has come to its end: acknowledged (durable), or compensated. The answer has a byte for each.
local function settle_ends(keys, args, durable)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local ids, q_pending, lists = {'HMGET', sale.key .. ':o'}, {'HMGET', sale.key .. ':p'}, end_lists(sale.key)
	for i = 2, #args do
		local id = sub(args[i], 1, 16)
		ids[i + 1], q_pending[i + 1] = id, id
	end
	local records, pending, ends = records_of(ids), call(unpack(q_pending)), {}
	for i = 2, #args do
		local id, kind, epoch, hold = unpack_bin('<c16BIi8', args[i])
		local ended
		if epoch ~= sale.epoch then
			ended = ACK_OTHER_EPOCH -- what became of it is the journal's to say
		elseif kind == EV_WITHDRAWN then
			ended = movement_end(sale, lists, id, durable)
		else
			ended = order_end(sale, lists, records, pending[i - 1], id, kind, hold, durable)
		end
		ends[i - 1] = string.char(ended)
	end
	end_write(sale, lists)
	return finish(sale) .. concat(ends)
end

local function acknowledge(keys, args)
	return settle_ends(keys, args, true)
end

local function compensate(keys, args)
	return settle_ends(keys, args, false)
end

-- Whoever asks owns the entries from now on: nobody else takes them for as long, and nobody compensates them. It names the latest time of
-- an entry's last try that it has itself seen go by, so long ago that whoever tried has given up.
local function claim_order(sale, lists, id)
	local record = call('HGET', sale.key .. ':o', id)
	if not record then
		return nil
	end
	local state, flags, units, hold, first = unpack_bin(RECORD_HEAD, record)
	local rest = sub(record, HEAD_SIZE + 1)
	keep(lists, {}, id, pack(RECORD_HEAD, state, flags % CLAIMED + CLAIMED, units, hold, first) .. rest)
	if not has(flags, DURABLE) then
		return pack('B', RESERVED) .. id .. pack('<Hi8', units, first) .. sub(rest, 1, -9)
	end
	local settlement = call('HGET', sale.key .. ':p', id)
	local lot, quantity = unpack_bin('<HH', rest)
	return sub(settlement, 1, 1) .. id .. pack('<HH', lot, quantity) .. sub(settlement, 2)
end

local function claim_movement(sale, id)
	local record = call('HGET', sale.key .. ':v', id)
	if not record then
		return nil
	end
	call('HSET', sale.key .. ':v', id, pack('B', unpack_bin('B', record) % CLAIMED + CLAIMED) .. sub(record, 2))
	return pack('B', EV_WITHDRAWN) .. id .. sub(record, 2)
end

local function claim(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local latest, max = unpack_bin('<i8I', args[2])
	local lists, out, again = end_lists(sale.key), {}, {'ZADD', sale.key .. ':x'}
	local old = call('ZRANGE', sale.key .. ':x', '-inf', latest, 'BYSCORE', 'LIMIT', 0, max)
	local unreadable, aside = 0, {'ZADD', sale.key .. ':u'}
	for i = 1, #old do
		local fine, text
		if #old[i] == 16 then
			fine, text = pcall(claim_order, sale, lists, old[i])
		else
			fine, text = pcall(claim_movement, sale, sub(old[i], 2))
		end
		if not fine then -- what it was cannot be told any more: kept apart, or it would stop the others for ever
			unreadable = unreadable + 1
			aside[#aside + 1] = sale.now
			aside[#aside + 1] = old[i]
			done(lists, old[i])
		elseif text then
			out[#out + 1] = pack('<H', #text) .. text
			again[#again + 1] = sale.now
			again[#again + 1] = old[i]
		else
			done(lists, old[i])
		end
	end
	end_write(sale, lists)
	write(again)
	write(aside)
	local oldest = call('ZRANGE', sale.key .. ':x', 0, 0, 'WITHSCORES')
	return finish(sale) .. pack('<i8II', oldest[2] or 0, unreadable, #out) .. concat(out)
end
