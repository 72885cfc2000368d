-- What becomes of an order after its grant.

local function owner_of(record)
	return (select(10, unpack_bin(RECORD, record)))
end

local payments = {}

-- The reference of the order's payment, which the journal has; '': there is none.
function payments.of(record)
	local at = select(11, unpack_bin(RECORD, record))
	return at <= #record and (unpack_bin('Bc0', record, at)) or ''
end

-- The record with its payment's reference, of one that has none.
function payments.put(record, paid)
	local at = select(11, unpack_bin(RECORD, record))
	return sub(record, 1, at - 1) .. pack('B', #paid) .. paid .. labels_of(record)
end

-- The reference of a payment that is on its way, with the confirm that brings it.
function payments.pending(text)
	return (select(13, unpack_bin('<Bi8i8BBBBc0Bc0c16i8Bc0Bc0Bc0', text)))
end

-- What is told of a confirm's payment before all else; 0: it may go on. Who hears that another
-- order has it knows that this one is not paid. Sets whether the order has none and takes it
-- (`pays`), and which order has it (`payer`).
function payments.decide(sale, record, payment)
	local state, _, _, _, _, _, _, _, quantity = unpack_bin(RECORD, record)
	if payment.price >= 0 and payment.amount ~= payment.price * quantity then
		return WRONG_AMOUNT
	end
	if payment.reference == '' then
		return 0
	end
	local paid, payer = payments.of(record), payment.taken[payment.reference]
	if state == CONFIRMED and paid ~= '' and paid ~= payment.reference then
		return PAID_ALREADY
	end
	if not payer then
		payer = call('HGET', sale.key .. ':r', payment.reference)
		local other = payer and payer ~= payment.id and call('HGET', sale.key .. ':o', payer)
		if other and payments.of(other) == payment.reference then
			payment.payer = payer
			return REFERENCE_USED
		end
	end
	if payer and payer ~= payment.id then
		return BUSY -- whether it is that order's is not known yet
	end
	payment.pays = paid == ''
	return 0
end

local function found_text(sale, id, record)
	local owner, paid = owner_of(record), payments.of(record)
	return order_text(sale, id, record) .. pack('B', #owner) .. owner .. pack('B', #paid) .. paid
end

-- The order leaves for the journal. `after` is what the event leads to: of an extension when the
-- hold ends, of a reduction how many units the order has then; `units`, where those go that it
-- gives back; `rest` is the kind of actor, actor, trace, what a confirm or a cancel brings besides,
-- and the reason, as the caller packed them.
local function send(sale, lists, id, record, kind, at, after, units, rest)
	local state, _, buyer_units, hold, first, number, place, lot, quantity = unpack_bin(RECORD, record)
	local returned, flags = 0, flags_of(sale, record)
	if (kind == EV_CANCELLED or kind == EV_REFUNDED or kind == EV_EXPIRED) and has(sale.broken, BROKEN.RETURN_EARLY) then
		return_units(lot_of(sale, lot), quantity, state == CONFIRMED, units ~= TO_SALE)
		returned = 1
	end
	record = pack(RECORD_HEAD, state, flags + SETTLING, buyer_units, hold, first) .. pack(PLACE, 0, number == 0 and place or 0) ..
		sub(record, HEAD_SIZE + PLACE_SIZE + 1)
	local list = lists.orders
	list[#list + 1] = id
	list[#list + 1] = record
	list = lists.pending
	list[#list + 1] = id
	list[#list + 1] = pack('<Bi8i8BB', kind, at, after, returned, units) .. rest
	list = lists.outbox
	list[#list + 1] = sale.now
	list[#list + 1] = id
	return record
end

local function send_lists(key)
	return {orders = {'HSET', key .. ':o'}, pending = {'HSET', key .. ':p'}, outbox = {'ZADD', key .. ':x'},
		payers = {'HSET', key .. ':r'}}
end

local function send_write(lists)
	write(lists.orders)
	write(lists.pending)
	write(lists.outbox)
	write(lists.payers)
end

-- Whether the action may go out now; and the state after it. `extended`: when the hold is to end;
-- `payment`: a confirm's; `from`: the units that the order is to have (0: any); `held_only`: of one
-- that is confirmed it was not meant.
local function decide_settlement(sale, record, action, grace, extended, payment, from, held_only)
	local state, _, _, hold = unpack_bin(RECORD_HEAD, record)
	local flags = flags_of(sale, record)
	local in_time_only = action == CONFIRM or action == EXTEND or action == REDUCE
	if has(flags, SETTLING) or not has(flags, DURABLE) then
		return BUSY
	end
	if (from > 0 and (units_of(record) ~= from or (state ~= HELD and state ~= CONFIRMED))) or (held_only and state == CONFIRMED) then
		return REFUSED
	end
	local refused = payment and payments.decide(sale, record, payment) or 0
	if refused ~= 0 then
		return refused
	end
	if state == EXPIRED and in_time_only then
		return ENDED
	end
	local move = MOVES[state][action]
	if move[1] == 1 and payment and payment.pays then
		return 0, state
	end
	if move[1] ~= 0 then
		return move[1] == 1 and ALREADY or REFUSED
	end
	if state ~= HELD then
		return 0, move[2]
	end
	local late = hold <= sale.now - grace
	if late and in_time_only then
		return ENDED
	end
	if not late and action == EXPIRE then
		return REFUSED
	end
	if action == EXTEND and extended <= hold then
		return ALREADY -- an extension never shortens
	end
	return 0, move[2]
end

local function settle(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local ids, lists, out, taken = {'HMGET', sale.key .. ':o'}, send_lists(sale.key), {}, {}
	for i = 2, #args do
		ids[i + 1] = sub(args[i], 1, 16)
	end
	local records = records_of(ids)
	local outbox = outbox_size(sale)
	for i = 2, #args do
		local id, action, at, grace, extend, extend_to, from, quantity, held_only, units, price, amount, reference, buyer, rest =
			unpack_bin('<c16Bi8i8i8i8HHBBi8i8Bc0Bc0', args[i])
		local payment = action == CONFIRM and {id = id, price = price, amount = amount, reference = reference, taken = taken}
		local extended = extend_to > 0 and extend_to or sale.now + extend
		local record = records[id]
		local owner = record and owner_of(record)
		if not record or (buyer ~= '' and buyer ~= owner) then
			out[i - 1] = pack('B', NO_ORDER)
		else
			local outcome, state = decide_settlement(sale, record, action, grace, extended, payment, from, held_only == 1)
			if outcome == 0 and outbox >= sale.outbox_max then
				outcome = FULL
			end
			if outcome == 0 then
				local after = action == EXTEND and extended or action == REDUCE and from - quantity or 0
				local kind, told = EVENT_OF[action]
				if payment and payment.pays then
					kind = byte(record) == CONFIRMED and EV_PAID or kind
					taken[reference] = id
					lists.payers[#lists.payers + 1] = reference
					lists.payers[#lists.payers + 1] = id
				end
				outbox = outbox + 1
				record = send(sale, lists, id, record, kind, at, after, units, sub(args[i], rest))
				records[id] = record
				told = found_text(sale, id, record)
				-- as it will be
				told = id .. pack('B', state) .. sub(told, 18)
				if action == EXTEND then
					told = sub(told, 1, 18) .. pack('<i8', after) .. sub(told, 27)
				elseif action == REDUCE then
					told = sub(told, 1, 36) .. pack('<H', after) .. sub(told, 39)
				end
				out[i - 1] = pack('B', 0) .. told .. pack('B', kind)
			else
				out[i - 1] = pack('B', outcome) .. found_text(sale, id, record) .. (payment and payment.payer or '')
			end
		end
	end
	send_write(lists)
	return finish(sale) .. concat(out)
end

local function find_in(keys, args, state)
	local sale, refusal = enter(keys, args, state)
	if not sale then
		return refusal
	end
	local out = {}
	for i = 2, #args do
		local id, buyer = unpack_bin('<c16Bc0', args[i])
		local record = call('HGET', sale.key .. ':o', id)
		local owner = record and owner_of(record)
		if not record or (buyer ~= '' and buyer ~= owner) then
			out[i - 1] = pack('B', NO_ORDER)
		else
			out[i - 1] = pack('B', 0) .. found_text(sale, id, record)
		end
	end
	return finish(sale) .. concat(out)
end

local function find(keys, args)
	return find_in(keys, args, 'armed')
end

-- Of a sale that is being loaded.
local function find_loaded(keys, args)
	return find_in(keys, args, 'loading')
end

-- A buyer's newest orders, newest first: how many it has, how many of the newest wait for the
-- journal, and the others.
local function orders_of(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local field = call('HGET', sale.key .. ':b', args[2])
	local buyer = field and buyer_read(field) or buyer_new()
	local records, ids = newest_records(sale.key, buyer)
	local out, waiting = {}, 0
	for i = 3, #ids do
		local record = records[ids[i]]
		if record and has(flags_of(sale, record), DURABLE) then
			out[#out + 1] = order_text(sale, ids[i], record)
		elseif record then
			waiting = waiting + 1
		end
	end
	return finish(sale) .. pack('<IBB', floor(buyer.value / 10000), waiting, #out) .. concat(out)
end
