"""The words that documents use around their values, by meaning: data, no rules.

Phrases are written as printed, parted by semicolons; `label.py` folds them. Languages: English, German, French, Spanish, Italian,
Dutch, Portuguese, Polish, Malay, the Scandinavian ones where they are alike, and the abbreviations of point of sale systems. A
meaning may be listed only to keep its values away from another one: `other_number` is here so that the number of an order or a
customer is never taken for the invoice's.
"""

from __future__ import annotations


def _phrases(block: str) -> tuple[str, ...]:
    """The phrases of a block, each with single spaces."""
    return tuple(" ".join(phrase.split()) for phrase in block.split(";"))


LABELS: dict[str, tuple[str, ...]] = {
    "number": _phrases("""
        invoice number; invoice no; invoice #; invoice id; invoice num; inv no; inv #; inv number; bill no;
        bill number; bill #; tax invoice no; document number; document no; doc no; credit note number; credit note no;
        credit memo no; receipt number; receipt no; receipt #; statement number; tax invoice number; rechnungsnummer;
        rechnungs-nr; rechnung nr; rechnungsnr; rechnung nummer; beleg-nr; belegnummer; rg-nr; re-nr; rechn.-nr;
        rechnungs-nummer; gutschriftsnummer; gutschrift nr; dokumentnummer; rechnung no; rechnung #;
        numéro de facture; n° de facture; n° facture; facture n°; facture numéro; facture no; no de facture;
        num. facture; numéro facture; avoir n°; référence facture; réf. facture; n° d'avoir; número de factura;
        nº de factura; nº factura; factura nº; factura n.º; num. factura; factura número; factura no; n.º de factura;
        núm. factura; factura núm; numero fattura; fattura n; fattura n°; n. fattura; fattura numero;
        numero documento; fattura nr; nr. fattura; numero della fattura; n° fattura; n. documento; factuurnummer;
        factuur nr; factuurnr; factuur nummer; factuur no; notanummer; creditnummer; número da fatura; fatura nº;
        fatura n.º; nº da fatura; número da factura; nota fiscal nº; fatura no; número da nota; numer faktury;
        faktura nr; faktura vat nr; nr faktury; faktura numer; faktura vat numer; faktura korygująca nr; no. invois;
        nombor invois; no. resit; no. bil; invois no; fakturanummer; faktura nummer; fakturanr; faktura nr.;
        laskun numero; laskunumero; lasku nro; číslo faktury; faktura č; faktura č.; daňový doklad č
    """),
    "issue_date": _phrases("""
        invoice date; date of issue; issue date; issued on; date issued; bill date; billing date; inv date; inv dt;
        document date; tax point; tax point date; date of invoice; invoiced on; dated; credit note date; doc date;
        rechnungsdatum; belegdatum; beleg-datum; ausstellungsdatum; datum der rechnung; rechnung vom; rechn.-datum;
        date de facture; date de la facture; date facture; date d'émission; date de facturation; émise le; facturé le;
        fecha de factura; fecha factura; fecha de emisión; fecha de la factura; fecha de expedición; fecha emisión;
        data fattura; data di emissione; data della fattura; data documento; data emissione; data del documento;
        factuurdatum; factuur datum; datum factuur; notadatum; data da fatura; data de emissão; data da factura;
        data emissão; data do documento; data wystawienia; data faktury; wystawiono dnia; data wystawienia faktury;
        issued; fakturadatum; fakturadato; laskun päiväys; laskun pvm; laskupäivä; datum vystavení;
        tarikh invois; tarikh dikeluarkan; tarikh bil
    """),
    "date": _phrases("""
        date; datum; fecha; data; tarikh; dated; dnia; le
    """),
    "due_date": _phrases("""
        due date; payment due; payment due date; date due; due on; pay by; payable by; due by; payment date due;
        please pay by; payment due by; payable on or before; due; fälligkeit; fälligkeitsdatum; fällig am;
        zahlbar bis; fälligkeitstag; zu zahlen bis; zahlungsziel; fällig; zahlbar bis zum; fällig zum;
        zahlungsfällig am; date d'échéance; échéance; date échéance; date limite de paiement; à payer avant le;
        payable le; date de règlement; échéance le; à régler avant le; date limite de règlement; fecha de vencimiento;
        vencimiento; fecha vencimiento; vence el; fecha límite de pago; data di scadenza; scadenza; data scadenza;
        scadenza pagamento; pagamento entro; vervaldatum; uiterste betaaldatum; te betalen voor; betalen voor;
        vervaldag; betaaldatum; data de vencimento; vencimento; data vencimento; pagar até; termin płatności;
        termin zapłaty; data płatności; płatne do; förfallodatum; förfallodag; forfaldsdato; forfallsdato;
        betalingsfrist; betalingsdato; sidste rettidige betalingsdag; eräpäivä; datum splatnosti; splatnost; splatno dne;
        tarikh akhir; tarikh bayaran; perlu dibayar sebelum
    """),
    "other_date": _phrases("""
        delivery date; date of delivery; date of supply; supply date; service date; order date; ship date; shipped;
        printed date; print date; printed on; expiry; expiry date; card expiry; period; billing period; check in;
        check out; date of birth; purchase order date; po date; payment date; date paid; version; valid until;
        leistungsdatum; lieferdatum; liefertermin; liefer- und leistungsdatum; leistungs-datum; bestelldatum;
        bestell-datum; lieferschein-datum; leistungszeitraum; rechnungszeitraum; abrechnungszeitraum; auftragsdatum;
        zeitraum; auftrag-datum-lief; lieferscheindatum; stand; druckdatum; buchungsdatum; versanddatum;
        codelisten-version; stylesheet-version; zugferd-version; bestellung vom; lieferung vom; leistung vom;
        date de livraison; date de commande; période; date de debut de prestation; date de fin de prestation;
        date de facture associée; date de paiement; date début; date fin; date de la commande; date de prestation;
        fecha de entrega; fecha de pedido; período; fecha de operación; fecha de pago; data di consegna; data ordine;
        periodo; data consegna; data ddt; leverdatum; besteldatum; orderdatum; periode; afdrukdatum; leveringsdatum;
        data de entrega; data da encomenda; data do pedido; data de pagamento; data dostawy; data sprzedaży;
        data zamówienia; data wykonania usługi; data zakończenia dostawy; tarikh penghantaran; tarikh pesanan
    """),
    "net": _phrases("""
        net total; total net; net amount; amount net; subtotal; sub total; sub-total; total excl. vat;
        total excluding vat; total ex vat; total before tax; taxable amount; total excl. tax; amount excl. vat;
        total excluding tax; total ex. gst; total excluding gst; total excl. gst; net value; untaxed amount;
        total without vat; total net of vat; invoice subtotal; total exclusive of gst; total without tax;
        tax basis total; total (excl. vat); net; nettobetrag; summe netto; netto; nettosumme; gesamt netto;
        rechnungssumme netto; rechnungssumme ohne ust; zwischensumme; zwischensumme netto; gesamtbetrag netto;
        rechnungsbetrag netto; netto gesamt; steuerbasisbetrag; nettowert; summe ohne ust; betrag netto;
        gesamt (netto); netto-betrag; netto summe; gesamtbeitrag; rechnungssumme netto (excl. ust.);
        rechnungssumme netto (exkl. ust.); summe ohne mwst; gesamtnetto; total ht; montant ht; total hors taxes;
        total hors taxe; net ht; sous-total; sous-total ht; montant hors taxes; montant total ht; total h.t; base ht;
        total net ht; base imponible; total sin iva; importe neto; total neto; suma; subtotal sin iva;
        total base imponible; imponibile; totale imponibile; totale netto; netto a; importo netto; totale senza iva;
        subtotaal; totaal excl. btw; bedrag excl. btw; totaal exclusief btw; netto bedrag; totaal excl; grondslag;
        totaal netto; total sem iva; total ilíquido; valor líquido; incidência; total líquido; base tributável;
        wartość netto; razem netto; suma netto; kwota netto; netto razem; summa exkl. moms; beløb ekskl. moms;
        subtotal ekskl. moms; taxable value; jumlah kecil; jumlah sebelum cukai; jumlah tidak termasuk cukai
    """),
    "tax": _phrases("""
        vat; tax; sales tax; vat amount; tax amount; total vat; total tax; gst; tax total; total gst; gst amount;
        gst payable; hst; pst; vat total; iva amount; service tax; sst; total gst amt; output tax; mwst;
        mehrwertsteuer; umsatzsteuer; ust; mwst-betrag; steuerbetrag; ust-betrag; summe umsatzsteuer; zzgl. mwst;
        zzgl. umsatzsteuer; summe mwst; ust gesamt; mwst gesamt; zuzüglich umsatzsteuer; enthaltene mwst;
        versicherungsteuer; versicherungssteuer; gesamt mwst; steuer; ust.-betrag; davon mwst;
        in diesem beitrag enthaltene versicherungsteuer; tva; montant tva; total tva; total taxes; taxes;
        montant de la tva; t.v.a; iva; cuota iva; importe iva; total iva; cuota; impuestos; i.v.a; imposta;
        totale iva; importo iva; totale imposta; totale imposte; di cui iva; btw; btw bedrag; totaal btw; btw-bedrag;
        bedrag btw; total do iva; valor iva; valor do iva; imposto; total imposto; kwota vat; podatek vat; razem vat;
        podatek; kwota podatku; suma vat; moms; mva; cgst; sgst; igst; cukai; jumlah cukai; cukai perkhidmatan;
        jumlah gst
    """),
    "gross": _phrases("""
        grand total; total; invoice total; total amount; amount total; total incl. vat; total including vat;
        gross total; total gross; gross amount; total inc vat; total incl. tax; total including tax; total (inc. vat);
        invoice amount; total incl. gst; total including gst; total inclusive of gst; total invoice amount;
        amount including vat; total with vat; total charges; total price; final total; tax inclusive amount;
        total amount incl. vat; bruttobetrag; gesamtbetrag; rechnungsbetrag; endbetrag; summe brutto; brutto;
        gesamtsumme; bruttosumme; gesamt; rechnungssumme brutto; rechnungssumme; gesamt brutto; endsumme;
        gesamtbetrag brutto; summe; rechnungsbeitrag; rechnungssumme brutto (inkl. ust.); betrag brutto;
        brutto gesamt; gesamtbetrag (brutto); rechnungsbetrag brutto; rechnungsendbetrag; summe inkl. mwst;
        gesamtpreis; rechnungsgesamtbetrag; total ttc; montant ttc; total toutes taxes comprises; montant total ttc;
        total facture; total t.t.c; montant total; total facture ttc; total général; net ttc; montant de la facture;
        total factura; importe total; total con iva; total general; total iva incluido; total de la factura;
        total a facturar; totale; totale fattura; totale documento; importo totale; totale complessivo;
        totale generale; totale ivato; totale iva inclusa; totaal; totaal incl. btw; totaalbedrag; factuur totaal;
        totaal inclusief btw; factuurbedrag; totaal incl; eindtotaal; totaal generaal; total com iva; total da fatura;
        valor total; total geral; total do documento; total iva incluído; total da factura; wartość brutto;
        razem brutto; suma brutto; kwota brutto; ogółem; razem; brutto razem; łącznie; summa inkl. moms;
        total inkl. moms; totalbeløp; jumlah; jumlah besar; jumlah keseluruhan; jumlah termasuk cukai
    """),
    "payable": _phrases("""
        amount due; balance due; total due; amount payable; total payable; please pay; balance; outstanding;
        amount to pay; to pay; total to pay; due amount; residual; total amount due; net payable; amount owed;
        amount outstanding; zahlbetrag; zu zahlen; zu zahlender betrag; offener betrag; zahlungsbetrag;
        zu zahlender beitrag; fälliger betrag; zu überweisen; restbetrag; net à payer; montant à payer; à payer;
        somme à payer; solde à payer; reste à payer; total à payer; montant dû; net a payer; total dû;
        montant du prélèvement; total a pagar; importe a pagar; a pagar; pendiente de pago; totale da pagare;
        da pagare; netto a pagare; totale dovuto; importo da pagare; importo dovuto; te betalen; te voldoen;
        openstaand bedrag; te betalen bedrag; nog te betalen; totaal te betalen; valor a pagar; do zapłaty;
        kwota do zapłaty; razem do zapłaty; pozostało do zapłaty; att betala; at betale; å betale; beløp å betale;
        jumlah perlu dibayar; jumlah bayaran; amaun perlu dibayar
    """),
    "line_total": _phrases("""
        positionssumme; total of lines; sum of line amounts; warenwert; summe der positionen; summe positionen;
        line total; items total; total lignes; total des lignes; summe positionen netto
    """),
    "prepaid": _phrases("""
        prepaid; paid; amount paid; deposit; paid amount; less deposit; already paid; erhaltene anzahlungen;
        anzahlung; bereits bezahlt; vorauszahlung; acompte; déjà payé; déjà réglé; montant réglé; pagado; anticipo;
        acconto; reeds betaald; vooruitbetaald; pago; zapłacono; dibayar; offene zahlungen; bereits gezahlt;
        abschlagszahlung
    """),
    "adjustment": _phrases("""
        discount; allowance; charge; shipping; freight; rounding; gesamtbetrag der zuschläge;
        gesamtbetrag der abschläge; rabatt; zuschlag; abschlag; versandkosten; sondernachlass; skonto; remise;
        frais de port; descuento; sconto; korting; verzendkosten; desconto; rabat; diskaun; zu-/abschlag; portes;
        spese; gastos de envío; tip; gratuity
    """),
    "seller": _phrases("""
        seller; vendor; supplier; from; sold by; issuer; issued by; bill from; verkäufer; rechnungssteller;
        rechnungsersteller; lieferant; leistungserbringer; vendeur; fournisseur; émetteur; vendedor; proveedor;
        emisor; venditore; fornitore; cedente; verkoper; leverancier; fornecedor; emitente; sprzedawca; dostawca;
        wystawca; penjual; pembekal; remit to; payee
    """),
    "buyer": _phrases("""
        buyer; customer; bill to; billed to; sold to; invoice to; client; invoiced to; billing address; to; ship to;
        customer name; guest name; bill-to; attention; käufer; käufer/leistungsempfänger; rechnungsempfänger; kunde;
        leistungsempfänger; empfänger; rechnungsadresse; rechnung an; rechnungsanschrift; acheteur;
        adresse de facturation; facturé à; destinataire; adresse du client; nom de l'abonné; adressé à; cliente;
        facturar a; comprador; datos del cliente; facturado a; acquirente; cessionario; destinatario; spett.le;
        spettabile; intestatario; klant; factuuradres; koper; aan; factuur aan; adquirente; faturar a; exmo(s) sr(s);
        nabywca; odbiorca; kupujący; pembeli; pelanggan; kepada; bil kepada
    """),
    "currency": _phrases("""
        currency; währung; rechnungswährung; devise; moneda; divisa; valuta; moeda; waluta; mata wang; beträge in;
        invoice currency; amounts in; currency code
    """),
    "other_number": _phrases("""
        order number; order no; order; po number; po no; purchase order; customer number; customer no; customer id;
        account number; account no; reference; your reference; our reference; vat number; vat no; vat id; tax id;
        gst no; gst id; gst reg no; gst id no; company no; co reg no; reg no; phone; tel; fax; iban; bic; table;
        table no; cashier; booking id; contract number; ref; delivery note; payment reference; registration number;
        terms; payment terms; sales contact; agreement ref; customer vat number; incoterms; po #; sales order;
        quote number; project; account; kundennummer; kunden-nr; bestellnummer; bestell-nr; bestellung;
        lieferschein-nr; lieferscheinnummer; auftragsnummer; auftrag-nr-lief; steuernummer; ust-id-nr; ust-idnr;
        ust-id; referenz; ursprungsbeleg-nr; reklamationsnummer; leitweg-id; zahlungsreferenz; buchungsreferenz;
        weitere referenz; nummer; globale nummer; vsnr; lieferavis; vertragsnummer; telefon; handelsregisternummer;
        steuernr; ust-identnr; kontonr; blz; ihr zeichen; lief-nr; referenz (bitte bei zahlung angeben); hinweis;
        rapport-nr; referenz des käufers; auftragsnr; mandatsreferenz; n° de client; n° client; numéro de client;
        n° de commande; bon de commande; n° bon de commande; votre référence; contact commercial; réf. marché;
        facture liée; n° tva client; n° tva; siret; numéro de dossier; id.client; numéro de ligne;
        n° de facture associée; n° bon de livraison; n° contrat; référence; n° bon de vente; conditions de paiement;
        n° siren; numéro client; commande n°; número de cliente; nº cliente; pedido; nº pedido; número de pedido; cif;
        nif; referencia; codice cliente; ordine; numero ordine; partita iva; p. iva; codice fiscale; riferimento;
        codice destinatario; klantnummer; ordernummer; bestelnummer; btw nummer; btw-nummer; kvk; referentie;
        debiteurnummer; kvk nummer; número de encomenda; contribuinte; referência; cnpj; nip; numer zamówienia;
        numer klienta; regon; nr zamówienia; zamówienie nr; no. pelanggan; no. pesanan; no. pendaftaran; rujukan;
        no. akaun
    """),
    "title": _phrases("""
        invoice; tax invoice; credit note; proforma invoice; bill; receipt; commercial invoice; sales invoice;
        credit memo; payment receipt; rechnung; gutschrift; handelsrechnung; rechnungskorrektur; beitragsrechnung;
        baurechnung; mietrechnung; stornorechnung; schlussrechnung; abschlagsrechnung; teilrechnung;
        teilschlussrechnung; rechnungs-korrektur; warenrechnung; facture; avoir; facture d'acompte; facture proforma;
        note d'honoraires; factura; factura rectificativa; factura simplificada; abono; fattura; nota di credito;
        parcella; factuur; creditnota; creditfactuur; kopie factuur; fatura; factura-recibo; fatura-recibo;
        nota de crédito; nota fiscal; faktura; faktura vat; faktura korygująca; invois; invois cukai; resit;
        nota kredit
    """),
}

MONTHS: dict[str, int] = {
    name: month
    for month, names in enumerate(
        _phrases("""
            january jan januar janner jaenner janvier janv enero ene gennaio gen januari janeiro stycznia styczen sty;
            february feb februar fevrier fevr fev febrero febbraio februari fevereiro lutego luty lut;
            march mar marz maerz mrz mars marzo maart mrt marco marca marzec mac;
            april apr avril avr abril abr aprile kwietnia kwiecien kwi;
            may mai mayo maggio mag mei maio maja maj;
            june jun juni juin junio giugno giu junho czerwca czerwiec cze;
            july jul juli juillet juil julio luglio lug julho lipca lipiec lip julai;
            august aug aout agosto ago augustus sierpnia sierpien sie ogos ogo;
            september sep sept septembre septiembre set settembre setembro wrzesnia wrzesien wrz;
            october oct oktober okt octobre octubre ottobre ott outubro out pazdziernika pazdziernik paz;
            november nov novembre noviembre novembro listopada listopad lis;
            december dec dezember dez decembre dic diciembre dicembre dezembro grudnia grudzien gru disember dis
        """),
        start=1,
    )
    for name in names.split()
}

US_STATES = frozenset(
    _phrases("""
        AK; AL; AR; AZ; CA; CO; CT; DC; DE; FL; GA; HI; IA; ID; IL; IN; KS; KY; LA; MA; MD; ME; MI; MN; MO; MS; MT;
        NC; ND; NE; NH; NJ; NM; NV; NY; OH; OK; OR; PA; RI; SC; SD; TN; TX; UT; VA; VT; WA; WI; WV; WY
    """)
)

# Legal forms and trade words that make a line a company's name, matched as whole words on the folded line.
COMPANY_FORMS = _phrases("""
    sdn bhd; sdn. bhd; s/b; bhd; gmbh; ag; kg; ohg; e.k.; e.v.; a.g.; ug; mbh; ltd; limited; plc; llp; llc; inc;
    incorporated; corp; corporation; sarl; sas; sa; eurl; sasu; scop; sl; s.l.; slu; s.a.; s.l.u.; srl; s.r.l.; spa;
    s.p.a.; snc; bv; b.v.; nv; n.v.; vof; lda; ltda; sp. z o.o.; sp z o o; s.a; spolka; pte; pvt; oy; ab; as; a/s;
    aps; kft; s.r.o.; gbr; pty; se; private limited; enterprise; enterprises
""")
TRADE_WORDS = _phrases("""
    trading; restaurant; restoran; cafe; bistro; hardware; stationery; stationer; mart; market; supermarket; store;
    stores; shop; bakery; bakeries; pharmacy; apotheke; kedai; pasar; perniagaan; syarikat; hotel; grocer; books;
    book; station; petroleum; pizza; coffee; kitchen; house; electrical; machinery; food; foods; sushi; gallery;
    centre; center; bar; grill; services; supermarche; boulangerie; pharmacie; supermercado; panaderia; farmacia;
    ristorante; trattoria; panificio; bakkerij; winkel; apteka; sklep; backerei; metzgerei; gasthaus; deli; diner;
    outlet; group; holdings; industries; motor; auto; salon; clinic; klinik; gift; deco; foto; photo; printing;
    marketing; supplies; supply; retail; bazaar; boutique; mini; ent; burger; chicken; noodle; seafood; medical
""")
