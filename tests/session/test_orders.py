"""What a fit is told, one thing a step."""

from __future__ import annotations

from napari_gmmseg.session.orders import Order, Orders
from napari_gmmseg.volumes import Command, Look, Merge, SaveState, Split


def heard(orders: Orders, n: int = 1) -> list[Command | None]:
    told = [orders.next(step, heeded=True) for step in range(1, n + 1)]
    return [None if order is None else order.command for order in told]


def test_commands_come_in_their_order_one_a_step():
    orders = Orders()
    for command in (Merge(1, 2), Split(3), Look(1)):
        orders.add(Order(command))
    assert heard(orders, 4) == [Merge(1, 2), Split(3), Look(1), None]


def test_an_order_knows_after_which_report_it_was_told():
    orders, order = Orders(), Order(Split(1))
    orders.add(order)
    assert not order.told
    orders.next(7, heeded=True)
    assert order.told
    assert order.after == 7


def test_what_has_its_place_waits_for_it_and_nothing_that_was_said_later_overtakes_it():
    orders = Orders()
    orders.add(Order(Split(1), after=3))
    orders.add(Order(Split(2)))
    assert heard(orders, 5) == [None, None, Split(1), Split(2), None]


def test_a_look_passes_what_waits_for_its_place():
    orders = Orders()
    orders.add(Order(Split(1), after=3))
    orders.add(Order(Look(4)))
    assert heard(orders, 3) == [Look(4), None, Split(1)]


def test_while_preparing_nothing_is_used_up():
    orders = Orders()
    orders.add(Order(Split(1)))
    assert orders.next(0, heeded=False) is None
    assert heard(orders) == [Split(1)]


def test_what_was_not_told_can_be_replaced_or_taken_back():
    orders, first, second = Orders(), Order(Split(1)), Order(Split(2))
    for order in (first, second):
        orders.add(order)
    assert orders.amend(first, Split(3))
    assert orders.withdraw(second)
    assert heard(orders, 2) == [Split(3), None]
    assert not orders.amend(first, Split(4))
    assert not orders.withdraw(first)


def test_the_state_is_asked_for_every_so_often():
    now = [0.0]
    orders = Orders(1.5, lambda: now[0])
    assert heard(orders) == [None]
    now[0] = 1.6
    assert heard(orders, 2) == [SaveState(), None]
    now[0] = 3.0
    orders.add(Order(SaveState()))
    assert heard(orders, 2) == [SaveState(), None]
    now[0] = 4.4
    assert heard(orders) == [None]
    now[0] = 4.6
    assert heard(orders) == [SaveState()]
