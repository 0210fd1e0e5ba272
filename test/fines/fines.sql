-- What each fine comes to.
CREATE TABLE fines (
    id      text    PRIMARY KEY,
    amount  numeric NOT NULL,
    penalty numeric,               -- the amount after the penalty, if one was added
    paid    numeric NOT NULL,
    status  text    NOT NULL
);

-- on FineCreated
INSERT INTO fines (id, amount, paid, status)
VALUES (:subject, CAST(:data ->> 'amount' AS numeric), CAST(:data ->> 'totalPaymentAmount' AS numeric), 'created');

-- on PenaltyAdded
UPDATE fines SET penalty = CAST(:data ->> 'amount' AS numeric), status = 'penalty' WHERE id = :subject;

-- on PaymentReceived
UPDATE fines SET paid = CAST(:data ->> 'totalPaymentAmount' AS numeric), status = 'paid' WHERE id = :subject;

-- on FineSent
UPDATE fines SET status = 'sent' WHERE id = :subject;
-- on FineNotified
UPDATE fines SET status = 'notified' WHERE id = :subject;
-- on SentForCreditCollection
UPDATE fines SET status = 'collection' WHERE id = :subject;
-- on AppealToPrefectureDated, AppealToPrefectureSent, AppealResultReceived, AppealResultNotified, AppealedToJudge
UPDATE fines SET status = 'appeal' WHERE id = :subject;
