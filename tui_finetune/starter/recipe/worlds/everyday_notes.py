"""Notes: a sentence or two about the everyday world, and a question about them.

A model learns from stories only slowly that a name which was mentioned comes again: there are a hundred words between,
and it has first to find out where to look. In a note it is a few words away. Learnt there, it helps in the stories.
"""

from __future__ import annotations

from ..grammar import rules

RULES = rules(
    """
    note:
    <|user|>{who} is {place.in}. Where is {who}?<|assistant|>{who.He} is {place.in}.
    <|user|>{who} is {place.in}, and {friend} is {room.in}. Who is {room.in}?<|assistant|>{friend} is {room.in}.
    <|user|>{who} is {place.in}, and {friend} is {room.in}. Who is {place.in}?<|assistant|>{who} is {place.in}.
    <|user|>{who} was {shop.in} and bought {gift}. What did {who} buy?<|assistant|>{who.He} bought {gift}.
    <|user|>{who} was {shop.in} and bought {gift}. Where was {who}?<|assistant|>{who.He} was {shop.in}.
    <|user|>{who} has a {thing}. Who has the {thing}?<|assistant|>{who} has the {thing}.
    <|user|>{who} has a {thing}, and {friend} has a {other}. What does {who} have?<|assistant|>{who.He} has a {thing}.
    <|user|>{who} has a {thing}, and {friend} has a {other}. What does {friend} have?<|assistant|>{friend.He} has a {other}.
    <|user|>{Helper} gave {who} {price} coins. How many coins did {who} get?<|assistant|>{who.He} got {price} coins.
    <|user|>{Helper} gave {who} {price} coins. Who gave {who} the coins?<|assistant|>{Helper} gave {who.him} the coins.
    <|user|>{who} went to {helper} with {who.his} {relative}. Where did {who} go?<|assistant|>{who.He} went to {helper}.
    <|user|>{who} made {dish.a} for {who.his} {relative}. Who was it for?<|assistant|>It was for {who.his} {relative}.
    <|user|>{who} made {dish.a} for {who.his} {relative}. What did {who} make?<|assistant|>{who.He} made {dish.a}.
    <|user|>{who} had {animal.a}, and {friend} gave it {animal.food}. Who had the {animal}?<|assistant|>{who} had the {animal}.
    <|user|>{who} wanted to {skill}, and {friend} helped {who.him}. Who helped {who}?<|assistant|>{friend} helped {who.him}.
    <|user|>{who} looked {spot}, and {friend} looked {second}. Where did {friend} look?<|assistant|>{friend.He} looked {second}.
    <|user|>{who}, {friend} and {another} are friends. {friend} is the eldest. Who is the eldest?<|assistant|>{friend} is the eldest.
    <|user|>{who}, {friend} and {another} are friends. {another} is the youngest. Who is the youngest?<|assistant|>{another} is the youngest.
    "{who}, {who}, where are you?" called {friend}. "Here I am, {friend}," said {who}.
    "Good morning, {friend}," said {who}. "Good morning, {who}," said {friend}.
    This is the story of {who}, and {who} has a {thing}. Once {who.his} {relative} hid the {thing} {spot}, but {who} looked {spot} and found the {thing}.
    There was once a {who.child} named {who}, and {who.his} {relative} was {helper}. One day {helper} asked {who}, "Where is my {thing}?" "Your {thing} is {room.in}," said {who}.
    In a small town lived a {who.child}, and {who.his} name was {who}. {who} and {friend} went to {place.the}, and {place.in} {friend} gave {who} {animal.a}. {who} took the {animal} home.
    """
)
VARIABLES = {"other": "things", "another": "people"}
