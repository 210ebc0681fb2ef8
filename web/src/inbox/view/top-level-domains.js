/**
 * Tells top-level domains from file extensions. Pure.
 *
 * The lists are short on purpose: other domains need a scheme or www.
 */

/** Country domains, except those that are also file extensions: .cc .cs .md .ml .mm .pl .ps .py .rs .sh .so .ts .st */
const COUNTRIES = `
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by bz ca cd cf cg
ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh
gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr
kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc me mg mh mk mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl
no np nr nu nz om pa pe pf pg ph pk pm pn pr pt pw qa re ro ru rw sa sb sc sd se sg si sk sl sm sn sr ss sv sx sy sz tc
td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw
рф укр бг срб қаз мкд мон ελ ею հայ გე`;

const OTHERS = `
com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia post example
academy agency app art associates auction audio auto baby bank bar beauty beer berlin best bet bid bike bio blog boutique
brussels build builders business buzz cafe cam camera camp capital car cards care career careers cars cash casino
catering center charity chat church city claims cleaning click clinic clothing cloud club coach codes coffee college
community company computer consulting contact cooking cool country coupons courses credit cricket cruises dance date
dating day deals degree delivery democrat dental dentist design dev diet digital direct directory discount doctor dog
domains earth eco education email energy engineer engineering enterprises equipment estate eus events exchange expert
express fail faith family fan farm fashion film finance financial fish fit fitness flights florist flowers football
forsale forum foundation fun fund furniture gallery game games garden gift gifts gives glass global gmbh gold golf
graphics green gripe group guide guitars guru hair hamburg haus health healthcare help hiphop hockey holdings holiday
homes horse hospital host hosting hotel house immo industries ink institute insurance insure international investments
jewelry kaufen kids kitchen koeln koln land law lawyer lease legal lgbt life lighting limited limo link live loan loans
lol london love ltd luxury maison management market marketing markets mba media melbourne memorial men menu moda moe
mom money mortgage nagoya network news ngo ninja nyc observer one ong online organic osaka page paris partners parts
party pet pharmacy photo photography photos pics pictures pink pizza place plumbing plus poker porn press productions
promo properties property pub quebec quest racing realestate recipes red rehab rent rentals repair report republican rest
restaurant review reviews rich rip rocks rodeo ruhr saarland sale salon school schule science scot security services
shoes shop shopping show singles site ski soccer social software solar solutions soy space sport store stream studio
study style sucks supplies supply support surf surgery swiss sydney systems tattoo tax taxi team tech technology tennis
theater theatre tickets tienda tips tires tirol today tokyo tools top tours town toys trade trading training tube
university vacations vegas ventures vet viajes video villas vin vip vision vodka vote voyage wales watch web website
wedding wien wiki win wine work works world wtf xyz yoga yokohama zone`;

/** File extensions that are no top-level domains. */
const FILES = `
7z apk avi avif bak bin bmp bz2 cfg class conf cpp css csv cxx deb dll dmg doc docx epub exe flac gif gz h264 heic hpp htm
html ico ics ini ipynb iso jar java jpeg jpg js json jsx key kt lock log lua m4a mjs mkv mp3 mp4 mpeg odp ods odt ogg opus
pdf php png ppt pptx psd rar rb rst rtf scss sql sqlite svg swift tar tex tgz tiff tmp toml tsv tsx ttf txt vcf vue wasm
wav webm webp woff woff2 xls xlsx xml yaml yml`;

const topLevels = new Set(`${COUNTRIES} ${OTHERS}`.split(/\s+/u).filter(Boolean));
const files = new Set(FILES.split(/\s+/u).filter(Boolean));

/** Returns whether a domain without a scheme may have this ending. @param {string} ending @returns {boolean} */
export function isTopLevel(ending) {
  return topLevels.has(ending.toLowerCase()) || /^xn--/iu.test(ending);
}

/** Returns whether only files have this ending: `icon@2x.png` is no e-mail address. @param {string} ending
 * @returns {boolean} */
export function isFileEnding(ending) {
  return files.has(ending.toLowerCase());
}
