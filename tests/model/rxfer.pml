/* rxfer.pml: the protocol as a model, for spin: what must hold whatever the network, the power and a restored backup do.
 *
 * One master, one replica, one zone. A set of records is a number (`set`): each change of the primary's makes a new one.
 * A digest tells sets apart, so in messages the number stands for it. Signatures: `good` is true for what the master has
 * signed; a forger's messages have it false, and may say anything. A replayed message is one that the network keeps.
 *
 * The network may lose, repeat and reorder; a stranger sends what he likes; what was signed long ago is sent again; the
 * connection is cut; the replica's records get damaged, its state is lost: FAULTS of these in all, in any mixture. The
 * master is restarted from an old copy of its state RESTORES times. After these nothing happens any more, and then it
 * must converge: `convergence` below.
 *
 * What the code has and this leaves out: HELLO and WELCOME (a connection begins with REFRESH here), the pieces of a
 * snapshot (it comes whole or not at all), several zones. A timer runs out only when nothing is under way, as
 * time-outs are longer than a message's way. The states are those of replica/refresh.c; IXFR answers one changeset at a
 * time, so that APPLIED_BEHIND is seen.
 *
 * Checked: assertions (never backwards; nothing that isn't signed; records are always a set that the master has signed
 * for that epoch and serial), absence of deadlock, and convergence. */

#ifndef CHANGES
#define CHANGES 2      /* of the set */
#endif
#ifndef RESTORES
#define RESTORES 1     /* of the master's state, from an old copy */
#endif
#ifndef FAULTS
#define FAULTS 2       /* of any other kind */
#endif
#ifndef QUEUE
#define QUEUE 2        /* messages under way in one direction */
#endif

#define EPOCHS  4
#define SERIALS 6
#define MIXED   6      /* what a changeset makes of records that it wasn't made for: nobody has signed that */
#define FORGED  7

mtype = { SOA, CHANGESET, SNAPSHOT, NO_HISTORY, REFRESH, IXFR, AXFR };
mtype = { DOWN, ASKED, CURRENT, FETCHING, WHOLE, WAITING };

/*                      type, good, epoch, serial, set, from, set before (of a changeset) */
chan down = [QUEUE] of { mtype, bool, byte, byte, byte, byte, byte };
chan up   = [QUEUE] of { mtype, bool, byte, byte, byte, byte, byte };

/* The master: what it has published, and what it can still tell of its history. */
byte m_epoch = 1, m_serial = 1, m_set = 1;
byte m_oldest = 1;                     /* the serial its journal begins at */
byte m_sets[SERIALS];                  /* the set at each serial of its history */
byte kept_epoch = 1, kept_serial = 1;  /* an old copy of its state, somewhere */
byte kept_sets[SERIALS];
byte sets = 1;                         /* how many there have been */

/* All that was ever signed: for an epoch and a serial, a bit for each set. */
byte signed_sets[EPOCHS * SERIALS];
#define SIGNED(e, s, set) ((signed_sets[(e) * SERIALS + (s)] >> (set)) & 1)
#define SIGN(e, s, set)   signed_sets[(e) * SERIALS + (s)] = signed_sets[(e) * SERIALS + (s)] | (1 << (set))

/* The replica: its records (epoch 0: none), and the newest announcement that it has accepted. */
byte r_epoch = 0, r_serial = 0, r_set = 0;
byte known_epoch = 0, known_serial = 0, known_set = 0;
mtype r_state = DOWN;
byte newest = 0;                       /* serial heard of in our epoch */

byte changes = CHANGES, restores = RESTORES, faults = FAULTS, dated = 1;
bool tick;

/* Variables that aren't needed any more would only make states look different. */
#define CLEAR type = SOA; good = false; epoch = 0; serial = 0; set = 0; from = 0; before = 0

/* A full queue loses what comes: so does ZeroMQ's at its high-water mark. */
inline tell(type, from, before)
{
	if
	:: nfull(down) -> down!type, true, m_epoch, m_serial, m_set, from, before
	:: full(down)
	fi
}

inline ask(type)
{
	if
	:: nfull(up) -> up!type, true, known_epoch, known_serial, known_set, r_epoch, r_serial
	:: full(up)
	fi
}

inline publish()
{
	sets++;
	m_serial++;
	m_set = sets;
	m_sets[m_serial] = m_set;
	SIGN(m_epoch, m_serial, m_set)
}

/* A replica has shown what isn't in our history, under our own signature: zone_evidence(). */
inline renew(shown)
{
	m_epoch = (shown > m_epoch -> shown : m_epoch) + 1;
	assert(m_epoch < EPOCHS);
	m_serial = 1;
	m_oldest = 1;
	m_sets[1] = m_set;
	SIGN(m_epoch, 1, m_set)
}

active proctype master()
{
	mtype type;
	bool good;
	byte epoch, serial, set, from_epoch, from;

	d_step {
		m_sets[1] = 1;
		kept_sets[1] = 1;
		SIGN(1, 1, 1)
	}
end:
	do
	/* The primary's recipients change: one durable write, then the push. */
	:: atomic {
		changes > 0 && m_serial < SERIALS - 1 ->
		changes--;
		publish();
		tell(CHANGESET, m_serial - 1, m_sets[m_serial - 1])
	}
	/* The journal is trimmed. */
	:: atomic { m_oldest < m_serial && changes > 0 -> m_oldest++ }
	/* Somebody makes a copy of the state; later somebody puts it back. */
	:: d_step {
		restores > 0 && (kept_epoch != m_epoch || kept_serial != m_serial) ->
		kept_epoch = m_epoch;
		kept_serial = m_serial;
		kept_sets[1] = m_sets[1]; kept_sets[2] = m_sets[2]; kept_sets[3] = m_sets[3]; kept_sets[4] = m_sets[4];
		kept_sets[5] = m_sets[5]
	}
	:: atomic {
		restores > 0 && (kept_epoch != m_epoch || kept_serial != m_serial) && m_serial < SERIALS - 1 ->
		restores--;
		m_epoch = kept_epoch;
		m_serial = kept_serial;
		m_sets[1] = kept_sets[1]; m_sets[2] = kept_sets[2]; m_sets[3] = kept_sets[3]; m_sets[4] = kept_sets[4];
		m_sets[5] = kept_sets[5];
		m_oldest = m_serial;
		m_set = m_sets[m_serial];
		/* It reads its sources again, which say something else by now, and publishes that. */
		publish()
	}
	/* The dated announcement of every refresh seconds. It alone must not be needed: a few. */
	:: atomic { dated > 0 && r_state == CURRENT && nfull(down) -> dated--; tell(SOA, 0, 0) }
	:: atomic {
		up?type, good, epoch, serial, set, from_epoch, from ->
		if
		:: type == REFRESH && epoch > 0 && SIGNED(epoch, serial, set) &&
		   (epoch > m_epoch || (epoch == m_epoch && serial > m_serial) ||
		    (epoch == m_epoch && serial == m_serial && set != m_set)) ->
			renew(epoch)
		:: else
		fi;
		if
		:: type == REFRESH -> tell(SOA, 0, 0)
		:: type == AXFR -> tell(SNAPSHOT, 0, 0)
		:: type == IXFR && from_epoch == m_epoch && from >= m_oldest && from < m_serial ->
			if
			:: nfull(down) ->
				down!CHANGESET, true, m_epoch, from + 1, m_sets[from + 1], from, m_sets[from]
			:: full(down)
			fi
		:: type == IXFR && from_epoch == m_epoch && from == m_serial -> tell(SOA, 0, 0)
		:: type == IXFR && !(from_epoch == m_epoch && from >= m_oldest && from <= m_serial) ->
			tell(NO_HISTORY, 0, 0)
		fi;
		type = SOA; good = false; epoch = 0; serial = 0; set = 0; from_epoch = 0; from = 0
	}
	od
}

/* (epoch, serial) isn't behind what the master has ever proved: verify.c, check_order(). */
#define ORDERED(e, s) ((e) > known_epoch || ((e) == known_epoch && (s) >= known_serial))

/* Records and announcement become durable in one write: journal_append(), or the rename of a whole transfer. */
inline accept_records(e, s, v)
{
	assert(e > known_epoch || (e == known_epoch && s >= known_serial));
	assert(e > r_epoch || (e == r_epoch && s >= r_serial));
	r_epoch = e; r_serial = s; r_set = v;
	assert(SIGNED(r_epoch, r_serial, r_set));
	known_epoch = e; known_serial = s; known_set = v
}

/* An announcement that may be believed: the events of refresh.h that it becomes. */
inline announced(e, s, v)
{
	if
	:: r_state == WHOLE -> skip                                     /* asked for after it */
	:: r_state != WHOLE && (r_epoch == 0 || e > r_epoch || (e == r_epoch && s == r_serial && v != r_set)) ->
		if
		:: r_state == WAITING -> skip
		:: r_state != WAITING -> r_state = WHOLE; ask(AXFR)
		fi
	:: r_state != WHOLE && e == r_epoch && s > r_serial ->
		if
		:: s > newest -> newest = s
		:: else
		fi;
		if
		:: r_state == FETCHING -> skip
		:: r_state != FETCHING -> r_state = FETCHING; ask(IXFR)
		fi
	:: r_state != WHOLE && e == r_epoch && s == r_serial && v == r_set ->
		r_state = CURRENT;
		known_epoch = e; known_serial = s; known_set = v
	:: else                                                         /* behind the records */
	fi
}

/* A changeset that may be believed and isn't behind: verify_changeset(). */
inline changed(e, s, v, from, before)
{
	if
	:: r_state == WHOLE -> skip
	:: r_state != WHOLE && (r_epoch == 0 || e > r_epoch || (e == r_epoch && s == r_serial && v != r_set)) ->
		announced(e, s, v)
	:: r_state != WHOLE && e == r_epoch && s > r_serial ->
		if
		:: s > newest -> newest = s
		:: else
		fi;
		if
		/* It's applied to the set that it was made for, or the digest doesn't come out. */
		:: from == r_serial && before == r_set ->
			if
			:: before == r_set -> made = v
			:: before != r_set -> made = MIXED
			fi;
			accept_records(e, s, made);
			made = 0;
			if
			:: newest > r_serial -> r_state = FETCHING; ask(IXFR)
			:: newest <= r_serial && r_state != ASKED -> r_state = CURRENT
			:: else
			fi
		:: from == r_serial && before != r_set ->
			if
			:: r_state == WAITING -> skip
			:: r_state != WAITING -> r_state = WHOLE; ask(AXFR)
			fi
		:: from != r_serial ->
			if
			:: r_state == FETCHING -> skip
			:: r_state != FETCHING -> r_state = FETCHING; ask(IXFR)
			fi
		fi
	:: else                                                         /* a repeat, or an earlier epoch's */
	fi
}

active proctype replica()
{
	mtype type;
	bool good;
	byte epoch, serial, set, from, before, made;
end:
	do
	:: atomic { r_state == DOWN -> r_state = ASKED; ask(REFRESH) }
	:: atomic {
		r_state != DOWN && nempty(down) -> down?type, good, epoch, serial, set, from, before;
		if
		:: type != NO_HISTORY && !(good && SIGNED(epoch, serial, set)) -> skip      /* refused, counted */
		:: type == SOA && good && SIGNED(epoch, serial, set) ->
			if
			:: ORDERED(epoch, serial) -> announced(epoch, serial, set)
			:: !ORDERED(epoch, serial) && r_state == ASKED -> r_state = WAITING
			:: else
			fi
		:: type == CHANGESET && good && SIGNED(epoch, serial, set) ->
			if
			:: r_epoch == epoch || ORDERED(epoch, serial) -> changed(epoch, serial, set, from, before)
			:: else
			fi
		:: type == SNAPSHOT && good && SIGNED(epoch, serial, set) ->
			if
			:: r_state == WHOLE && ORDERED(epoch, serial) ->
				accept_records(epoch, serial, set);
				newest = serial;
				r_state = ASKED;
				ask(REFRESH)
			:: r_state == WHOLE && !ORDERED(epoch, serial) -> r_state = WAITING
			:: r_state != WHOLE -> skip
			fi
		:: type == NO_HISTORY ->
			if
			:: r_state == FETCHING -> r_state = WHOLE; ask(AXFR)
			:: r_state != FETCHING -> skip
			fi
		fi;
		CLEAR
	}
	/* Timers: the poll, an answer that is overdue, the end of a pause. */
	:: atomic {
		empty(down) && empty(up) && r_state == CURRENT &&
		!(r_epoch == m_epoch && r_serial == m_serial && r_set == m_set) -> r_state = ASKED; ask(REFRESH)
	}
	:: atomic { empty(down) && empty(up) && (r_state == ASKED || r_state == FETCHING || r_state == WHOLE) -> r_state = WAITING }
	:: atomic { empty(down) && empty(up) && r_state == WAITING -> r_state = ASKED; ask(REFRESH) }
	od
}

/* What happens to both from outside. */
active proctype world()
{
	mtype type;
	bool good;
	byte epoch, serial, set, from, before;
end:
	do
	:: atomic { faults > 0 && nempty(down) -> down?type, good, epoch, serial, set, from, before; faults--;
		CLEAR }
	:: atomic { faults > 0 && nempty(up) -> up?type, good, epoch, serial, set, from, before; faults--;
		CLEAR }
	/* Reordered: the first goes behind the others. */
	:: atomic {
		faults > 0 && len(down) > 1 -> down?type, good, epoch, serial, set, from, before; faults--;
		down!type, good, epoch, serial, set, from, before;
		CLEAR
	}
	/* Repeated: a message comes once more, behind the others. */
	:: atomic {
		faults > 0 && nempty(down) && nfull(down) -> down?<type, good, epoch, serial, set, from, before>; faults--;
		down!type, good, epoch, serial, set, from, before;
		CLEAR
	}
	/* Forged: anything, without the signature. */
	:: atomic {
		faults > 0 && nfull(down) -> faults--;
		if
		:: down!SOA, false, m_epoch, m_serial + 1, FORGED, 0, 0
		:: down!CHANGESET, false, r_epoch, r_serial + 1, FORGED, r_serial, r_set
		:: down!SNAPSHOT, false, m_epoch, m_serial + 1, FORGED, 0, 0
		:: down!NO_HISTORY, false, 0, 0, 0, 0, 0
		fi
	}
	/* Replayed: something that was signed long ago, of the first epoch. */
	:: atomic {
		faults > 0 && nfull(down) -> faults--;
		if
		:: down!SOA, true, 1, 1, 1, 0, 0
		:: down!SNAPSHOT, true, 1, 1, 1, 0, 0
		:: m_serial > 1 -> down!CHANGESET, true, m_epoch, 2, m_sets[2], 1, m_sets[1]
		fi
	}
	:: atomic {
		faults > 0 -> faults--;
		do
		:: nempty(down) -> down?type, good, epoch, serial, set, from, before
		:: nempty(up) -> up?type, good, epoch, serial, set, from, before
		:: empty(down) && empty(up) -> break
		od;
		r_state = DOWN;
		CLEAR
	}
	/* The records are found damaged: they count as not there; what was announced is still known. */
	:: atomic { faults > 0 && r_epoch > 0 -> faults--; r_epoch = 0; r_serial = 0; r_set = 0 }
	/* All of the replica's state is lost. */
	:: atomic {
		faults > 0 && known_epoch > 0 -> faults--;
		r_epoch = 0; r_serial = 0; r_set = 0; known_epoch = 0; known_serial = 0; known_set = 0; newest = 0;
		r_state = DOWN
	}
	/* Time goes by, also when nothing happens any more. (spin -f doesn't see an end that isn't convergence otherwise.) */
	:: empty(down) && empty(up) && faults == 0 && changes == 0 -> tick = !tick
	od
}

/* Faults and changes are bounded, so that from some moment on there are none: from then on both are the same one day, and
 * stay so. */
ltl convergence { <>[](r_epoch == m_epoch && r_serial == m_serial && r_set == m_set) }
