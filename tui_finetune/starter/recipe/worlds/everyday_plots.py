"""The plots of the everyday world: their beats, the reasons people have, and the questions one can ask."""

from __future__ import annotations

from ..grammar import Plot, rules, table

TABLES = {
    "lost_reasons": table(
        "because",
        """
        it had been a present from {who.his} {relative}
        {who.his} {relative} had made it
        {who.he} had promised {who.his} {relative} to take care of it
        it brought luck to {who.his} {relative} and to {who.him}
        there was no other like it in the world
        """,
    ),
    "gift_reasons": table(
        "because",
        """
        it was {relative.his} birthday on Sunday
        {relative.he} had been ill all week
        {relative.he} was moving to a new house
        {relative.he} had never owned anything like it
        {relative.he} had been so kind all year
        {relative.he} had lost one just like it
        """,
    ),
    "feast_reasons": table(
        "because",
        """
        there was a picnic {place.in} the next day
        the whole class was meeting {place.in}
        {who.his} {relative} was giving a party {place.in}
        the band was going to play {place.in} that evening
        a long table stood ready {place.in}
        """,
    ),
    "skill_reasons": table(
        "because",
        """
        {friend} could do it already
        the summer fair was only a week away
        {who.his} {relative} was coming to watch
        it looked so easy
        everyone else in the street could do it
        """,
    ),
    "animal_reasons": table(
        "because",
        """
        it was shivering
        it was all alone
        it had hurt its foot
        it looked so hungry
        it could not find its mother
        the night would be cold
        """,
    ),
    "project_reasons": table(
        "because",
        """
        the one from last year had broken
        {who.his} {relative} had told {who.him} how it is done
        the holidays were long
        {friend} had bet that it could not be done
        there had never been one before
        """,
    ),
    "plant_reasons": table(
        "because",
        """
        there was a prize for it at the fair
        {who.his} {relative} had given {who.him} the seed
        {friend} did not believe that it would work
        {who.he} had read about it in a book
        nothing had ever grown there
        """,
    ),
    "noise_reasons": table(
        "because",
        """
        {who.he} could not sleep
        {who.his} {relative} had told {who.him} about ghosts
        the others only laughed at it
        it came back every hour
        {who.he} was not afraid of anything
        """,
    ),
}

VARIABLES = {name[:-1]: name for name in TABLES}

RULES = rules(
    """
    lost_start:
    <day> {who.he} was playing {place.in}, and suddenly {who.his} {thing} was gone.
    <day> {who.he} ran home from {place.the} and saw that {who.his} {thing} was missing.
    <day> {who.he} lost {who.his} {thing} {place.in}.

    lost_want:
    {who.He} wanted to find it before (supper|dark|bedtime|the rain came|the others noticed), because {lost_reason}.
    Because {lost_reason}, {who.he} wanted to have it back (at any price|that same day|more than anything).

    lost_search:
    {who.He} looked {spot}, but there was (only|nothing but) <junk>.
    First {who.he} (searched|felt around|crawled about) {spot} and found <junk>.
    {Spot} lay <junk>, but no {thing}.

    lost_again:
    {Second} there was nothing (either|at all|but dust).
    Then {who.he} looked {second}, and (found|turned over|almost stepped on) <junk>.

    junk:
    an old boot
    a heap of leaves
    a sleeping cat
    a broken plate
    a rusty nail
    half a biscuit
    a bent spoon
    a paper boat
    a lost glove
    an empty snail shell
    three acorns

    lost_friend:
    {friend} came by and asked, "What are you looking for?" "For my {thing}," (said|sighed|sobbed) {who}.
    "Four eyes see more than two," said {friend}, who had (come|stopped|offered) to help.
    Luckily {friend} (heard of it|passed by|was not far away) and (came to help|knew where to look).

    lost_found:
    Together they looked {third}, and there was the {thing}, (a little dusty|quite wet|as good as new|covered with ants|just waiting).
    At last {friend} (bent down|knelt down|laughed) and pulled the {thing} out of the dark {third}.
    It was {friend} who saw the {thing} {third}.

    lost_end:
    {who} (laughed|danced|jumped|shouted) for joy and (thanked|hugged) {friend}.
    That (evening|night) {who} sewed a (button|zip|ribbon) on {who.his} pocket, so that the {thing} would stay in it.
    "Next time I will (hold on to|take better care of) it," said {who}(.| and meant it.)

    gift_want:
    <day> {who.he} saw {gift} {shop.in}.
    {Shop.in} {who.he} (found|noticed|discovered) {gift} <day_low>.

    day_low:
    one <sky> (morning|afternoon)
    on a <sky> day in (spring|summer|autumn)

    gift_reason_beat:
    {who.He} wanted to give it to {who.his} {relative}, because {gift_reason}.
    "That is just the thing for my {relative}," {who.he} thought, because {gift_reason}.

    gift_price:
    It cost {price} coins, but {who} had only (one|two|three|four).
    "That makes {price} coins," said the (man|woman) behind the counter, but {who} had (none|only a button|spent everything).

    gift_work:
    So {who.he} asked {helper} for work and <chore> until (noon|evening|the street lamps were lit).
    {Helper} needed help, so {who} <chore> for (two|three|four) days.

    chore:
    swept the yard
    carried wood
    washed windows
    picked beans
    peeled potatoes
    brushed the donkey
    sorted apples
    polished shoes
    fed the geese
    stacked crates

    gift_paid:
    {Helper} (smiled|nodded|was pleased) and paid {who.him} {price} coins.
    "(Well done|Good work|You have earned it)," said {helper} and counted {price} coins into {who.his} hand.

    gift_bought:
    {who} ran back to {shop.the} as fast as {who.he} could(.| and put the money on the counter.)
    {who} (hurried|skipped|flew) to {shop.the} and bought it(.| just before it closed.)

    gift_end:
    {who.His} {relative} opened the parcel and (laughed|sang|clapped|blushed) with joy.
    When {who.his} {relative} unwrapped it, {relative.he} hugged {who} (for a long time|twice|and could not speak).
    "How did you know?" asked {who.his} {relative}, and {who} only (smiled|winked|hummed).

    bake_start:
    <day> {who.he} tied on (an apron|a clean apron|{who.his} apron) and opened the (big|old|sticky) cookbook.
    <day> {who.he} stood in the kitchen with a (wooden spoon|rolling pin|big bowl).

    bake_want:
    {who.He} wanted to make {dish.a}, because {feast_reason}.
    Because {feast_reason}, {who.he} wanted to make {dish.a}.

    bake_need:
    But {who.he} had forgotten to buy {need}.
    "Oh no," said {who}, "we have run out of {need}."
    But the (box|tin|jar) for the {need} was empty.

    bake_ask:
    {who} (knocked at|rang at|ran to) the door of {helper} and asked for some {need}.
    So {who.he} went to {helper}, who (always|surely|often) had {need}.

    bake_deal:
    "You may have it," said {helper}, "if I get the first (slice|bite|taste|spoonful)."
    {Helper} gave {who.him} plenty and (did not want any money|wished {who.him} luck|asked no questions).

    bake_made:
    {who} stirred and tasted, and soon the {dish} smelled (wonderful|of summer|better than ever|of holidays).
    An hour later the {dish} stood on the (window sill|table|wall) and (steamed|shone|cooled).

    bake_end:
    {Place.in} they all ate of the {dish} until (nothing|only a crumb|not a bit) was left.
    Everyone {place.in} asked for more, and {helper} had the first taste.
    {who} carried the {dish} to {place.the}, and it was gone before the (music|sun|tea|moon) was.

    learn_want:
    <day> {who.he} wanted to learn to {skill}, because {skill_reason}.
    {who} wanted to {skill} (more than anything|at last|like a grown-up), because {skill_reason}.

    learn_try:
    {who.He} went to practise {place.in}, but {skill.mishap}.
    {Place.in} {who.he} tried it (twice|three times|ten times|all day), and each time {skill.mishap}.

    learn_sad:
    {who.He} sat down {spot} and wanted to (give up|go home|cry).
    "I will never learn it," said {who} and kicked a (pebble|stone|bucket|fir cone).
    {who.His} knees were (green|muddy|scraped) and {who.his} face was (red|hot|wet).

    learn_help:
    {friend}, who had watched it all, called, "That was (not bad at all|nearly it|a good start)!"
    Then {friend} came and (sat down|stood|lay down) next to {who.him}.

    learn_tip:
    "{skill.advice}," (said|whispered|advised) {friend}.
    "Shall I tell you the trick?" asked {friend}. "{skill.advice}."

    learn_again:
    {who} (took a deep breath|nodded|got up) and tried again, and this time it worked.
    {who} thought of that and tried again, (slowly at first and then faster|with both eyes open|one more time).

    learn_end:
    Before the sun went down {who.he} {skill.done} all the way (around|across) {place.the}.
    From that day on {who} {skill.done} every (morning|evening|Sunday|day), and {friend} cheered.
    "I can do it!" shouted {who}, and {friend} (clapped|cheered|bowed).

    animal_find:
    <day> {who.he} found {animal.a} {place.in}, {spot}.
    <day> something moved {spot} {place.in}, and it was {animal.a}.

    animal_want:
    {who.He} wanted to help the {animal}, because {animal_reason}.
    Because {animal_reason}, {who.he} wanted to help it.

    animal_carry:
    {who.He} wrapped the {animal} in {who.his} (jacket|scarf|jumper|apron) and (carried|took|brought) it home.
    "Come with me, little {animal}," said {who} and held out (both hands|one hand|an open basket).

    animal_feed:
    At home {who.he} gave it {animal.food}(.| and a name.| and a blanket.)
    {who.He} brought it {animal.food}, and it ate (everything up|half of it|it all in one go).
    It did not want {animal.food}, it only (looked at|blinked at|leaned on) {who.him}.

    animal_ask:
    Then {who.he} went to {helper} and asked what to do.
    {Helper} came to see it and knew what to do.

    animal_advice:
    "It needs (rest|warmth|quiet|water|sleep) and a box with (straw|hay|moss|wool)," said {helper}.
    "Give it (two|three|four|five) days," said {helper}, "and it will be (well|strong|happy) again."

    animal_end:
    A (week|month) later the {animal} was well, and {who} set it free {second}.
    The {animal} stayed all (summer|winter|year), and {who} was never lonely again.
    Soon the {animal} could (run|jump|climb), and it followed {who} all the way to {place.the}.

    build_want:
    <day> {who.he} wanted to build {project.a} {place.in}, because {project_reason}.
    {who.He} had (drawn|dreamed up|copied) a plan for {project.a} and wanted to build it {place.in}, because {project_reason}.

    build_part:
    {who.He} had (a hammer|a saw|some glue|a box of nails|a paint brush), but {who.he} did not have {part}.
    Everything was ready, only {part} could not be found (anywhere|in the whole house|for love or money).

    build_ask:
    {Helper} went to the (shed|barn|cellar) and came back with {part}.
    "Take {part} from my (shed|barn|cellar)," said {helper}(.| at once.)

    build_friend:
    {friend} held the (ladder|lamp|ruler), while {who} (hammered|measured|sang).
    {friend} came along and painted everything (red|green|blue|yellow).

    build_fail:
    The first try fell over with a (crash|bang|sigh).
    In the night a (storm|gust|goat) knocked everything down.

    build_again:
    "Then we will build it (stronger|better|twice)," said {who}.
    "It was crooked anyway," said {friend}, and they began again.

    build_end:
    On the (second|third|fourth) day the {project} stood firm, and {who} was (proud|happy|hungry).
    When the {project} was ready, they sat down {spot} and looked at it until (dark|supper|the stars came out).
    Now everyone who comes to {place.the} stops to (look at|admire|try) the {project}.

    grow_want:
    In (March|April|May) {who.he} (planted|hid|pressed) a (small|round|wrinkled) seed {place.in}, {spot}.
    {Place.in} {who.he} dug a (small|round|deep) bed {spot}.

    grow_wish:
    {who.He} wanted to grow the (biggest|finest) {plant} in town, because {plant_reason}.
    It was going to be {plant.a}, and {who} wanted it to be the (biggest|finest) of all, because {plant_reason}.

    grow_wait:
    For (two|three|four) weeks nothing could be seen but (brown earth|a puddle|ants).
    Every day {who.he} knelt down and (looked|waited|whispered), and one day there was a green (tip|dot|curl).

    grow_trouble:
    Then {trouble.came}.
    It grew (well|fast|slowly), until {trouble.came}.

    grow_ask:
    {who.He} (asked|ran to ask|begged) {helper}, "What (shall|can|must) I do?"
    {who} almost (cried|gave up|despaired), but {helper} had an idea.

    grow_cure:
    So {who} {trouble.cure}.
    {Helper} (showed|told|taught) {who.him} how, and {who} {trouble.cure}.

    grow_end:
    In (July|August|September) the {plant} was so heavy that {who} and {friend} had to carry it together.
    When the {plant} was ripe, {who} (cut it up|made a soup of it|sang to it) and shared it with {friend}.
    It became the (biggest|finest) of all the {plant.many} in town, and {friend} was the first to say so.

    night_hear:
    One (night|evening) {who.he} heard {noise.a} {room.in}.
    <day> there was {noise.a} {room.in}.

    night_want:
    {who.He} wanted to know what it was, because {noise_reason}.
    "I must know what it is," said {who}, because {noise_reason}.

    night_light:
    {who.He} lit (a candle|a lantern|the lamp) and went (on tiptoe|barefoot|step by step).
    {who.He} took {who.his} (umbrella|broom|slipper) and opened the door (slowly|a crack|with a jerk).

    night_friend:
    "Wait, I am coming too," (whispered|hissed|said) {friend}, who was staying the night.
    {friend} held on to {who.his} (sleeve|hand|collar).

    night_look:
    {Room.in} it was dark and (cold|still|dusty).
    Their shadows (danced|trembled|leapt) on the wall.

    night_found:
    And there, {corner}, was {noise.cause}.
    {friend} pointed with (one finger|a spoon|a shaking hand), for {corner} there was {noise.cause}.

    night_end:
    {who} laughed so (loudly|long|hard) that {who.his} {relative} woke up.
    They laughed and laughed, and then {who} slept until (nine|ten|noon|the cock crowed).
    "So that is our (ghost|monster|burglar)," said {friend}, and {who} (giggled|yawned|blushed).
    """
)

RULES |= rules(
    """
    subject:
    a story
    a story about {who}
    a story about a {who.child} named {who}

    subject_lost:
    <subject>
    a story about a lost {thing}
    a story that happens {place.in}

    subject_gift:
    <subject>
    a story about a present
    a story that happens {shop.in}

    subject_bake:
    <subject>
    a story about {dish.a}
    a story about {who} and {helper}

    subject_learn:
    <subject>
    a story about {who} and {friend}
    a story that happens {place.in}

    subject_animal:
    <subject>
    a story about {animal.a}
    a story about an animal

    subject_build:
    <subject>
    a story about {project.a}
    a story that happens {place.in}

    subject_grow:
    <subject>
    a story about {plant.a}
    a story that happens {place.in}

    subject_night:
    <subject>
    a story about a ghost
    a story that happens {room.in}
    """
)

WHO = ("Who is the story about?", "It is about {who}.")

PLOTS = {
    "lost": Plot(
        "<opening>(1:|4: <habit>) <lost_start>(5:|2: <aside>) <lost_want> <lost_search> <lost_again> <lost_friend> <lost_found> <lost_end>",
        {"who": "{who}", "where": "{place.the}", "what": "a {thing}"},
        (
            WHO,
            ("What did {who} lose?", "{who.He} lost {who.his} {thing}."),
            ("Where did it happen?", "It happened {place.in}."),
            ("Who helped {who}?", "{friend} helped {who.him}."),
            ("Where was the {thing}?", "It was {third}."),
            ("Why did {who} want to find it?", "Because {lost_reason}."),
        ),
    ),
    "gift": Plot(
        "<opening>(1:|4: <habit>) <gift_want> <gift_reason_beat> <gift_price>(5:|2: <aside>) <gift_work> <gift_paid> <gift_bought> <gift_end>",
        {"who": "{who}", "where": "{shop.the}", "what": "{gift}"},
        (
            WHO,
            ("What did {who} want to buy?", "{who.He} wanted to buy {gift}."),
            ("Where did it happen?", "It happened {shop.in}."),
            ("How much did it cost?", "It cost {price} coins."),
            ("Who was the present for?", "It was for {who.his} {relative}."),
            ("Who paid {who}?", "{Helper} paid {who.him}."),
            ("Why did {who} want to buy it?", "Because {gift_reason}."),
        ),
    ),
    "bake": Plot(
        "<opening>(1:|4: <habit>) <bake_start> <bake_want> <bake_need> <bake_ask> <bake_deal>(5:|2: <aside>) <bake_made> <bake_end>",
        {"who": "{who}", "where": "{place.the}", "what": "{dish.a}"},
        (
            WHO,
            ("What did {who} make?", "{who.He} made {dish.a}."),
            ("Where did they eat it?", "They ate it {place.in}."),
            ("What was missing?", "{who.He} had no {need}."),
            ("Who helped {who}?", "{Helper} helped {who.him}."),
            ("Why did {who} make it?", "Because {feast_reason}."),
        ),
    ),
    "learn": Plot(
        "<opening>(1:|4: <habit>) <learn_want> <learn_try> <learn_sad>(5:|2: <aside>) <learn_help> <learn_tip> <learn_again> <learn_end>",
        {"who": "{who}", "where": "{place.the}", "what": "{skill}"},
        (
            WHO,
            ("What did {who} want to learn?", "{who.He} wanted to learn to {skill}."),
            ("Where did it happen?", "It happened {place.in}."),
            ("Who helped {who}?", "{friend} helped {who.him}."),
            ("What went wrong?", "{Skill.mishap}."),
            ("Why did {who} want to learn it?", "Because {skill_reason}."),
        ),
    ),
    "animal": Plot(
        "<opening>(1:|4: <habit>) <animal_find>(5:|2: <aside>) <animal_want> <animal_carry> <animal_feed> <animal_ask> <animal_advice> <animal_end>",
        {"who": "{who}", "where": "{place.the}", "what": "{animal.a}"},
        (
            WHO,
            ("What did {who} find?", "{who.He} found {animal.a}."),
            ("Where did it happen?", "It happened {place.in}."),
            ("Who helped {who}?", "{Helper} helped {who.him}."),
            ("What did {who} give it?", "{who.He} gave it {animal.food}."),
            ("Why did {who} want to help it?", "Because {animal_reason}."),
        ),
    ),
    "build": Plot(
        "<opening>(1:|4: <habit>) <build_want> <build_part> <build_ask>(5:|2: <aside>) <build_friend> <build_fail> <build_again> <build_end>",
        {"who": "{who}", "where": "{place.the}", "what": "{project.a}"},
        (
            WHO,
            ("What did {who} build?", "{who.He} built {project.a}."),
            ("Where did it happen?", "It happened {place.in}."),
            ("Who helped {who}?", "{Helper} and {friend} helped {who.him}."),
            ("What was missing?", "{who.He} did not have {part}."),
            ("Why did {who} want to build it?", "Because {project_reason}."),
        ),
    ),
    "grow": Plot(
        "<opening>(1:|4: <habit>) <grow_want> <grow_wish>(5:|2: <aside>) <grow_wait> <grow_trouble> <grow_ask> <grow_cure> <grow_end>",
        {"who": "{who}", "where": "{place.the}", "what": "{plant.a}"},
        (
            WHO,
            ("What did {who} grow?", "{who.He} grew {plant.a}."),
            ("Where did it grow?", "It grew {place.in}."),
            ("Who helped {who}?", "{Helper} helped {who.him}."),
            ("What went wrong?", "{Trouble.came}."),
            ("Why did {who} want to grow it?", "Because {plant_reason}."),
        ),
    ),
    "night": Plot(
        "<opening>(1:|4: <habit>) <night_hear> <night_want> <night_light>(5:|2: <aside>) <night_friend> <night_look> <night_found> <night_end>",
        {"who": "{who}", "where": "{room.the}", "what": "{noise.cause}"},
        (
            WHO,
            ("What did {who} hear?", "{who.He} heard {noise.a}."),
            ("Where did it happen?", "It happened {room.in}."),
            ("Who was with {who}?", "{friend} was with {who.him}."),
            ("What was it?", "It was {noise.cause}."),
            ("Why did {who} want to know?", "Because {noise_reason}."),
        ),
    ),
}
