/**
 * Common emoji by category, each with its search words; the text up to the first comma is its name. Any other emoji of
 * the keyboard works as a reaction too; it is only not offered here.
 */

/** @type {{kind: string, lines: string[]}[]} */
export const kinds = [
  {
    kind: 'faces',
    lines: [
      '😀 grinning face, smile|😃 big smile, happy|😄 laughing eyes, happy|😁 beaming face, grin|😆 laughing, haha',
      '😅 sweating smile, relief|🤣 rolling with laughter, rofl|😂 tears of joy, laugh, funny, lol|🙂 slight smile',
      '🙃 upside down|😉 wink|😊 smiling eyes, blush|😇 halo, angel, innocent|🥰 in love, hearts|😍 heart eyes, love',
      '🤩 star eyes, wow|😘 blowing a kiss|😗 kissing|😚 kissing with eyes closed|😋 tasty, yum|😛 tongue|😜 winking, tongue',
      '🤪 silly, crazy|😝 squinting, tongue|🤑 money face|🤗 hug|🤭 giggle, oops|🤫 quiet, shush|🤔 thinking, hmm',
      '🤐 zipped mouth, secret|🤨 raised eyebrow, doubt|😐 neutral|😑 without expression|😶 without mouth, speechless',
      '😏 smirk|😒 unamused|🙄 rolling eyes|😬 grimace, awkward|🤥 lying|😌 relieved, calm|😔 pensive, sad|😪 sleepy',
      '😴 sleeping, tired|😷 mask, ill|🤒 fever, ill|🤕 bandage, hurt|🤢 nausea|🤮 vomiting|🤧 sneezing, cold',
      '🥵 hot|🥶 freezing, cold|🥴 woozy|😵 dizzy|🤯 mind blown|🤠 cowboy|🥳 party face, celebrate',
      '😎 face with sunglasses, cool',
      '🤓 nerd|🧐 monocle, looking closely|😕 confused|😟 worried|🙁 slight frown|😮 surprised, open mouth, wow',
      '😯 hushed|😲 astonished|😳 flushed, embarrassed|🥺 pleading|😦 frowning, open mouth|😧 anguished|😨 afraid, fear',
      '😰 anxious, sweat|😥 sad but relieved|😢 crying, sad|😭 sobbing, loud crying|😱 screaming, fear|😖 confounded',
      '😣 persevering|😞 disappointed|😓 downcast, sweat|😩 weary|😫 tired|🥱 yawning, bored|😤 huffing',
      '😡 red with anger, angry',
      '😠 angry|🤬 swearing|😈 smiling devil|💀 skull, dead|💩 pile of poo|🤡 clown|👻 ghost|👽 alien|🤖 robot',
      '😺 smiling cat|😻 cat with heart eyes|🙈 not seeing monkey|🙉 not hearing monkey|🙊 not speaking monkey',
    ],
  },
  {
    kind: 'people',
    lines: [
      '👍 thumbs up, yes, good, ok|👎 thumbs down, no, bad|👌 ok hand, perfect|🤌 pinched fingers|✌️ victory, peace',
      '🤞 crossed fingers, luck|🤟 love you gesture|🤘 horns, rock|🤙 call me|👈 pointing left|👉 pointing right',
      '👆 pointing up|👇 pointing down|☝️ index up, one|✋ raised hand, stop|🖐️ open hand|👋 waving, hello, bye',
      '🤚 back of hand|👏 clapping, applause, bravo|🙌 raised hands, hooray|👐 open hands|🤲 palms up|🤝 handshake, deal',
      '🙏 folded hands, thanks|✍️ writing|💪 strong, muscle|👊 fist|✊ raised fist|👀 eyes, looking|👁️ eye|🧠 brain',
      '👂 ear|👃 nose|🦶 foot|🦵 leg|🙋 raising a hand, me|🤷 shrug, who knows|🤦 face palm|🙅 gesture for no|🙆 gesture for ok',
      '🙇 bowing, sorry|💁 tipping hand, info|🧑 person|👩 woman|👨 man|👶 baby|🧒 child|👵 grandmother|👴 grandfather',
      '👮 police officer|👷 builder|🧑‍🏫 teacher|🧑‍🍳 cook|🧑‍🔧 mechanic|🧑‍💻 at a computer|🧑‍⚕️ doctor, nurse',
      '🎅 father christmas',
      '🏃 running, late|🚶 walking|💃 dancing woman|🕺 dancing man|👪 family|👫 couple|🧑‍🤝‍🧑 two people',
    ],
  },
  {
    kind: 'nature',
    lines: [
      '🐶 dog|🐱 cat|🐭 mouse|🐹 hamster|🐰 rabbit|🦊 fox|🐻 bear|🐼 panda|🐨 koala|🐯 tiger|🦁 lion|🐮 cow|🐷 pig|🐸 frog',
      '🐔 chicken|🐧 penguin|🐦 bird|🦆 duck|🦉 owl|🐴 horse|🦄 unicorn|🐝 bee|🦋 butterfly|🐌 snail|🐞 ladybird|🐢 turtle',
      '🐍 snake|🐙 octopus|🐠 fish|🐬 dolphin|🐳 whale|🐘 elephant|🐑 sheep|🦔 hedgehog|🌵 cactus|🎄 christmas tree|🌲 fir',
      '🌳 tree|🌱 seedling|🌿 herb|☘️ shamrock|🍀 four leaf clover, luck|🍁 maple leaf, autumn|🍂 fallen leaves|🌷 tulip',
      '🌹 rose|🌻 sunflower|🌸 blossom|💐 bouquet, flowers|🍄 mushroom|🌍 earth, world|🌙 moon|⭐ star|🌟 glowing star',
      '✨ sparkles|⚡ lightning, power|🔥 fire, hot|🌈 rainbow|☀️ sun|⛅ cloudy|☁️ cloud|🌧️ rain|⛈️ thunderstorm|❄️ snow',
      '⛄ snowman|💧 drop, water|🌊 wave, sea|☂️ umbrella|☔ umbrella in the rain|💨 wind',
    ],
  },
  {
    kind: 'food',
    lines: [
      '🍎 apple|🍐 pear|🍊 orange|🍋 lemon|🍌 banana|🍉 melon|🍇 grapes|🍓 strawberry|🍒 cherries|🍑 peach|🥝 kiwi|🍅 tomato',
      '🥑 avocado|🥕 carrot|🌽 maize|🥔 potato|🍞 bread|🥐 croissant|🥨 pretzel|🧀 cheese|🥚 egg|🥞 pancakes|🥓 bacon',
      '🍔 burger|🍟 chips|🍕 pizza|🌭 hot dog|🥪 sandwich|🌮 taco|🥗 salad|🍝 pasta|🍜 noodles|🍣 sushi|🍚 rice|🍲 stew',
      '🍦 ice cream|🍩 doughnut|🍪 biscuit, cookie|🎂 birthday cake|🍰 cake|🧁 cupcake|🍫 chocolate|🍬 sweet|🍯 honey',
      '☕ coffee, tea|🍵 green tea|🥛 milk|🍺 beer|🍻 beers, cheers|🥂 clinking glasses, cheers|🍷 wine|🍾 bottle, celebrate',
    ],
  },
  {
    kind: 'doing',
    lines: [
      '🎉 party, congratulations, hooray, tada|🎊 confetti|🎈 balloon|🎁 present, gift|🏆 trophy, winner',
      '🥇 gold medal, first',
      '⚽ football|🏀 basketball|🎾 tennis|🏐 volleyball|🏓 table tennis|🏊 swimming|🚴 cycling|⛷️ skiing|🧗 climbing',
      '🎯 target, exactly|🎲 dice, game|🧩 puzzle|🎮 video game|♟️ chess|🎨 painting, art|🎭 theatre|🎬 film|🎤 singing',
      '🎧 headphones|🎸 guitar|🎹 piano|🎵 musical note|🎶 musical notes|📚 books, reading|🧶 knitting|🎣 fishing',
    ],
  },
  {
    kind: 'places',
    lines: [
      '🚗 car|🚕 taxi|🚌 bus|🚋 tram|🚂 train|🚇 underground|✈️ aeroplane, flight|🚀 rocket, launch|🚢 ship|⛵ sailing boat',
      '🚲 bicycle|🛴 scooter|🛵 moped|🚑 ambulance|🚒 fire engine|🚚 lorry, delivery|🚦 traffic lights|⛽ petrol|🅿️ parking',
      '🏠 house, home|🏡 house with garden|🏢 office|🏫 school|🏥 hospital|🏦 bank|🏨 hotel|⛪ church|🕌 mosque|🏰 castle',
      '⛺ tent, camping|🏖️ beach, holiday|🏔️ mountain|🗺️ map|🧭 compass|📍 pin, here|🌆 city|🌃 night|🌅 sunrise',
    ],
  },
  {
    kind: 'things',
    lines: [
      '📱 phone|💻 computer|⌨️ keyboard|🖨️ printer|📷 camera|📞 telephone, call|📺 television|⏰ alarm clock',
      '⌛ hourglass, wait',
      '🔋 battery|🔌 plug|💡 idea, light|🔦 torch|🕯️ candle|💰 money|💳 card, pay|🧾 receipt|💎 gem|🔧 spanner, repair',
      '🔨 hammer|🔩 screw|🧰 tools|🔑 key|🔒 locked|🔓 unlocked|🚪 door|🛏️ bed|🛋️ sofa|🚿 shower|🧹 broom, clean|🧺 basket',
      '🧸 teddy|👓 glasses|🕶️ sunglasses|👕 shirt|👖 trousers|👗 dress|🧥 coat|🧤 gloves|🧣 scarf|🧢 cap|🎒 backpack|👜 handbag',
      '👛 purse|👞 shoe|👟 trainer|💍 ring|🌂 closed umbrella|📦 parcel|✉️ letter|📧 e-mail|📝 note|📎 paper clip',
      '📌 drawing pin|📅 calendar, date|📈 growing, chart|📉 falling, chart|🗑️ bin|✂️ scissors|🖊️ pen|🔍 search, find',
      '💊 pill',
    ],
  },
  {
    kind: 'signs',
    lines: [
      '❤️ red heart, heart, love|🧡 orange heart|💛 yellow heart|💚 green heart|💙 blue heart|💜 purple heart|🖤 black heart',
      '🤍 white heart|🤎 brown heart|💔 broken heart|💕 two hearts|💖 sparkling heart|💯 hundred, full marks|✅ done, check',
      '☑️ ticked box|✔️ tick|❌ cross, no|❎ crossed box|❓ question|❔ pale question|❗ exclamation|‼️ double exclamation',
      '⚠️ warning|🚫 forbidden|⛔ no entry|♻️ recycle|🔔 bell|🔕 muted bell|💬 speech bubble|💭 thought|💤 asleep',
      '➕ plus|➖ minus|➡️ arrow right|⬅️ arrow left|⬆️ arrow up|⬇️ arrow down|🔄 turning arrows|🔁 repeat|⏸️ pause',
      '▶️ play',
      '1️⃣ one|2️⃣ two|3️⃣ three|4️⃣ four|5️⃣ five|🔴 red disc|🟠 orange disc|🟡 yellow disc|🟢 green disc|🔵 blue disc',
      '⚪ white disc|⚫ black disc|🏁 chequered flag, finish|🚩 flag|🏳️‍🌈 rainbow flag|🇪🇺 european flag',
    ],
  },
];
